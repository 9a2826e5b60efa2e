"""A client of a running server: its addresses, its tokens, predictions and worker states."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx

from vqaops.errors import ServerError
from vqaops.server.endpoints import Addresses
from vqaops.server.key_file import KeyFile, NoTokens
from vqaops.server.retry import RetryPolicy

__all__ = ["Addresses", "Client", "RefusedRequest", "ServerError", "WorkerProcess"]

RENEWAL_SECONDS = 15
"""A token is renewed this long before it expires: longer than a request waits in a full queue."""
RENEWAL_TIMEOUT = 5
MAX_RENEWALS = 4


class RefusedRequest(ServerError):
    """The server answered a request with an error; the message is its own.

    Attributes:
        response: The server's response.
        reply: What it says (``code``, ``type`` and ``message``); empty if that is no JSON object.
    """

    def __init__(self, message: str, response: httpx.Response) -> None:
        super().__init__(message)
        self.response = response
        self.reply: Mapping[str, Any] = _object(response) or {}


@dataclass(frozen=True, slots=True)
class WorkerProcess:
    """A Python process that serves a model: its pid, its state in TorchServe's words, and the time of its start."""

    pid: int
    status: str
    started: str


@dataclass(frozen=True)
class Client:
    """Asks questions and reads the state of models.

    Requests that fail for a passing reason are sent again (``retry``). A token that is about to expire, or that another
    process renewed, is replaced.

    Attributes:
        addresses: Where the server listens.
        key_file: TorchServe's ``key_file.json``; read at each call, since tokens change at each start.
        http: The connection pool; where the addresses are unix sockets, their own `pool`.
        retry: When predictions are sent again; ``retry.NEVER`` for callers that count failures.
    """

    addresses: Addresses
    key_file: Path
    http: httpx.Client = field(default_factory=lambda: Addresses().pool())
    retry: RetryPolicy = field(default_factory=RetryPolicy)
    _had_tokens: threading.Event = field(default_factory=threading.Event, repr=False, compare=False)
    _renewing: threading.Lock = field(default_factory=threading.Lock, repr=False, compare=False)

    def token(self, kind: str) -> str:
        """The token for ``inference`` or ``management``.

        Raises:
            ServerError: There is no key file, or it holds no such token.
        """
        return KeyFile(self.key_file).token(kind)

    def header(self, kind: str) -> dict[str, str]:
        """The ``Authorization`` header for ``inference`` or ``management``, with a token that is not about to expire.

        Raises:
            ServerError: As ``token``.
        """
        token = self.token(kind)
        if KeyFile(self.key_file).seconds_left(kind) < RENEWAL_SECONDS:
            token = self.renew_token(kind, token)
        return {"Authorization": f"Bearer {token}"}

    def renew_token(self, kind: str, old: str) -> str:
        """Return the token that replaces ``old``: a new one, or one that another process made meanwhile.

        The old token stops working at once, for everybody. If the server makes no new one, ``old`` is returned.

        Raises:
            ServerError: As ``token``.
        """
        keys = KeyFile(self.key_file)
        with self._renewing:
            if keys.token(kind) == old:
                try:
                    self.http.get(
                        f"{self.addresses.management}/token?type={kind}",
                        headers={"Authorization": f"Bearer {keys.token('API')}"},
                        timeout=RENEWAL_TIMEOUT,
                    )
                except httpx.TransportError:
                    return old
                keys.write_header()
            return keys.token(kind)

    def ask(
        self, model: str, picture: bytes, asked: str | Mapping[str, str], top_k: int | None = None
    ) -> dict[str, Any]:
        """Ask about a picture; return the reply of the protocol ``plain``.

        Args:
            model: ``NAME``, or ``NAME/VERSION``.
            picture: An image file.
            asked: The question, or the fields of the form such as ``labels``.
            top_k: Ranked answers wanted; the recipe's own number by default.

        Raises:
            RefusedRequest: The server answers with an error.
            ServerError: The server does not answer, or with something that is not the reply of this project's handler.
        """
        return self._ask("predictions", model, picture, asked, {"top_k": str(top_k)} if top_k else {})

    def explain(self, model: str, picture: bytes, asked: str | Mapping[str, str], answer: str = "") -> dict[str, Any]:
        """Ask what an answer rests on; return the reply of ``/explanations``.

        Args:
            model: As of ``ask``.
            picture: As of ``ask``.
            asked: As of ``ask``.
            answer: The answer to explain; the best one by default.

        Raises:
            RefusedRequest, ServerError: As ``ask``.
        """
        return self._ask("explanations", model, picture, asked, {"answer": answer} if answer else {})

    def _ask(
        self, path: str, model: str, picture: bytes, asked: str | Mapping[str, str], more: Mapping[str, str]
    ) -> dict[str, Any]:
        form = {"question": asked} if isinstance(asked, str) else dict(asked)
        url = f"{self.addresses.inference}/{path}/{quote(model, errors='surrogateescape')}"
        try:
            reply = self.predict(url, data={**form, **more}, files={"image": picture})
        except httpx.TransportError as error:
            raise ServerError(f"{url} does not answer ({error}); is the server running? make serve") from None
        if reply.is_error:
            raise RefusedRequest(f"{url} answered {reply.status_code}: {reply.text.strip()}", reply)
        if (answer := _object(reply)) is None:
            raise ServerError(f"{url} answered {reply.text!r:.100}, which is no reply of this project's handler")
        return answer

    def predict(self, url: str, **request: Any) -> httpx.Response:
        """POST to the inference address with a valid token, and again where another attempt may succeed.

        Args:
            url: The whole URL.
            request: Arguments of ``httpx.Client.post``: data, files, json, content.

        Raises:
            httpx.TransportError: The last attempt got no reply.
            ServerError: As ``token``, but only before this client's first request; later, missing tokens mean that the
                server is being restarted.
        """

        def attempt(seconds: float | None) -> httpx.Response:
            timeout = _at_most(seconds, self.http.timeout)
            try:
                token = self.header("inference")["Authorization"].removeprefix("Bearer ")
            except NoTokens as error:
                if not self._had_tokens.is_set():
                    raise
                raise httpx.ConnectError(str(error)) from None
            self._had_tokens.set()
            # Other processes renew tokens too, even between our renewal and the use of the new token.
            for _ in range(MAX_RENEWALS):
                reply = self.http.post(url, headers={"Authorization": f"Bearer {token}"}, timeout=timeout, **request)
                if not _refuses_token(reply):
                    break
                refused, token = token, self.renew_token("inference", token)
                if token == refused:
                    break
            return reply

        return self.retry.send(attempt)

    def workers(self, model: str) -> list[WorkerProcess]:
        """The workers of a model's default version, or of ``NAME/VERSION``; none if it is not registered.

        Raises:
            ServerError: The management address refuses.
            httpx.TransportError: Nothing listens on the management address.
        """
        url = f"{self.addresses.management}/models/{quote(model, errors='surrogateescape')}"
        reply = self.http.get(url, headers=self.header("management"))
        if reply.status_code == httpx.codes.NOT_FOUND:
            return []
        if reply.is_error:
            raise ServerError(f"{url} answered {reply.status_code}: {reply.text.strip()}")
        return [WorkerProcess(one["pid"], one["status"], one["startTime"]) for one in reply.json()[0]["workers"]]


def _object(reply: httpx.Response) -> dict[str, Any] | None:
    with suppress(ValueError):
        if isinstance(answer := reply.json(), dict):
            return answer
    return None


def _at_most(seconds: float | None, timeout: httpx.Timeout) -> httpx.Timeout:
    if seconds is None:
        return timeout
    return httpx.Timeout(
        **{name: seconds if limit is None else min(seconds, limit) for name, limit in timeout.as_dict().items()}
    )


def _refuses_token(reply: httpx.Response) -> bool:
    return reply.status_code == httpx.codes.BAD_REQUEST and '"InvalidKeyException"' in reply.text
