"""The deployment that takes HTTP requests: token, limits and addresses as TorchServe's, and errors in its format."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import logging
import uuid
from collections.abc import AsyncIterator, Sequence
from typing import Any

import ray
from ray import serve
from ray.exceptions import RayActorError
from ray.serve.context import _get_serve_request_context
from ray.serve.exceptions import BackPressureError, DeploymentUnavailableError
from ray.serve.handle import DeploymentHandle
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from deploy.ray.descriptions import describe_models
from deploy.ray.registry import NAMESPACE, REGISTRY, Served
from deploy.ray.replica import Head
from deploy.ray.routes import Target, find_target

log = logging.getLogger(__name__)


class Refusal(Exception):
    """A request that gets an error in TorchServe's format."""

    def __init__(self, status: int, kind: str, message: str) -> None:
        super().__init__(message)
        self.status, self.kind = status, kind

    @property
    def response(self) -> Response:
        """The error as TorchServe's front end words it."""
        if not self.kind:
            return Response(status_code=self.status)
        body = {"code": self.status, "type": self.kind, "message": str(self)}
        headers = {"retry-after": "1"} if self.status == 503 else {}  # as the gateway in front of TorchServe
        return Response(json.dumps(body, indent=2) + "\n", self.status, headers, media_type="application/json")


@serve.deployment(max_ongoing_requests=1000, ray_actor_options={"num_cpus": 0})
class Front:
    """Routes requests to the models' replicas."""

    def __init__(self, token_sha256: str, limit: int) -> None:
        """Start without models; the registry knows them.

        Args:
            token_sha256: SHA-256 of the token that every request carries, hexadecimal.
            limit: Bytes of a request's body.
        """
        self._token_sha256 = token_sha256
        self._limit = limit
        self._registry = ray.get_actor(REGISTRY, NAMESPACE)
        self._served: Served = {}
        self._handles: dict[str, DeploymentHandle] = {}
        self._following = asyncio.get_running_loop().create_task(self._follow())

    async def _follow(self) -> None:
        """Take other models, versions and defaults as soon as the registry has them."""
        known = 0
        while True:
            try:
                known, served = await self._registry.wait.remote(known)
                apps = [app for model in served.values() for app in model["versions"].values()]
                self._handles = {
                    app: self._handles.get(app) or serve.get_deployment_handle("Replica", app) for app in apps
                }
                self._served = served
            except Exception:  # the registry is being restarted on another node
                log.exception("what is served is not known; asking again")
                await asyncio.sleep(1)

    async def __call__(self, request: Request) -> Response:
        """Answer a request."""
        # Ray's own id is in the reply; it is the client's where the client sends one, and then not unique.
        id = _get_serve_request_context().request_id
        if "x-request-id" in request.headers:
            id = str(uuid.uuid4())
        try:
            self._check_token(request.headers.get("authorization", ""))
            return await self._answer(request, id)
        except Refusal as refusal:
            return refusal.response

    async def _answer(self, request: Request, id: str) -> Response:
        path = request.url.path
        if target := find_target(path, request.query_params.multi_items()):
            handle = self._handle(target)
            body = await self._body(request)
            headers = {**request.headers, **target.headers}
            call = (id, {**target.fields, "body": body}, headers, target.repeated)
            return await _ask(handle, call, b'"stream"' in body)
        if path == "/metrics":
            return Response(await self._registry.page.remote(), media_type="text/plain; version=0.0.4")
        if described := await describe_models(path, request.query_params, self._served, self._handles):
            return described
        raise Refusal(
            404, "ResourceNotFoundException", "Requested resource is not found, please refer to API document."
        )

    def _check_token(self, header: str) -> None:
        scheme, _, token = header.partition(" ")
        digest = hashlib.sha256(token.strip().encode()).hexdigest()
        if scheme.lower() != "bearer" or not hmac.compare_digest(digest, self._token_sha256):
            raise Refusal(
                400,
                "InvalidKeyException",
                "Token Authorization failed. Token either incorrect, expired, or not provided correctly",
            )

    def _handle(self, target: Target) -> DeploymentHandle:
        model = self._served.get(target.model)
        if model is None:
            raise Refusal(404, "ModelNotFoundException", f"Model not found: {target.model}")
        app = model["versions"].get(target.version or model["default"])
        if app is None:
            raise Refusal(
                404,
                "ModelVersionNotFoundException",
                f"Model version: {target.version} does not exist for model: {target.model}",
            )
        return self._handles[app]

    async def _body(self, request: Request) -> bytes:
        parts, size = [], 0
        async for part in request.stream():
            size += len(part)
            if size > self._limit:
                raise Refusal(413, "", "")  # TorchServe sends no body with it
            parts.append(part)
        return b"".join(parts)


async def _ask(handle: DeploymentHandle, call: Sequence[Any], may_stream: bool) -> Response:
    """Ask a replica.

    Args:
        handle: The version's replicas.
        call: The arguments of ``Replica.answer``.
        may_stream: Whether the body may ask for a stream; the replica decides. A stream costs more on its way.
    """
    try:
        if may_stream:
            parts = handle.options(stream=True).stream.remote(*call)
            return _in_parts(await anext(parts), parts)
        head, body = await handle.answer.remote(*call)
    except BackPressureError:
        raise Refusal(503, "ServiceUnavailableException", "The queue of the model is full; try again later.") from None
    except DeploymentUnavailableError:
        raise Refusal(503, "ServiceUnavailableException", "The model has no worker; try again later.") from None
    except RayActorError:  # the words by which clients know that another attempt may succeed
        raise Refusal(500, "InternalServerException", "Worker died.") from None
    except Exception:
        log.exception("request %s failed", call[0])
        raise Refusal(500, "InternalServerException", "Prediction failed") from None
    return _with_head(Response(body), head)


def _in_parts(head: Head, parts: AsyncIterator[Any]) -> Response:
    return _with_head(StreamingResponse(parts), head)


def _with_head(response: Response, head: Head) -> Response:
    response.status_code, content_type, headers = head
    response.headers.update({"content-type": content_type, **headers})
    return response
