"""The part of TorchServe's management API that concerns models and their versions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import httpx

from vqaops.errors import ServerError
from vqaops.server.client import Client, WorkerProcess


@dataclass(frozen=True, slots=True)
class RegisteredVersion:
    """A registered version of a model.

    Attributes:
        archive: The archive's file name in the model store.
        workers: Its workers, in the order of their start.
        pending: Requests in the queue, without those that a worker is answering.
        capacity: Requests that the queue can hold; further ones get 503.
        response_timeout: Seconds after which TorchServe kills a worker that does not answer.
        startup_timeout: Seconds that a worker may take to load the model.
    """

    name: str
    version: str
    archive: str
    min_workers: int
    max_workers: int
    workers: tuple[WorkerProcess, ...]
    pending: int
    capacity: int
    response_timeout: int
    startup_timeout: int

    @property
    def ready(self) -> int:
        """Number of workers that can answer."""
        return sum(worker.status == "READY" for worker in self.workers)


@dataclass(frozen=True)
class Management:
    """Calls of the management API. Each is one request and uses the management token."""

    client: Client

    def models(self) -> dict[str, str]:
        """The archive of every model's default version, by the model's name."""
        given: dict[str, str] = {}
        token: str | None = "0"
        while token:
            page = self._ask("GET", "/models", limit="100", next_page_token=token).json()
            given |= {one["modelName"]: one["modelUrl"] for one in page["models"]}
            token = page.get("nextPageToken")
        return given

    def default(self, name: str) -> str:
        """The version that answers when a request names none.

        Raises:
            ServerError: The model is not registered; the message names those that are.
        """
        return self._versions(name)[0].version

    def versions(self, name: str) -> list[RegisteredVersion]:
        """All versions of a model.

        Raises:
            ServerError: The model is not registered; the message names those that are.
        """
        return self._versions(name, "all")

    def version(self, name: str, version: str) -> RegisteredVersion:
        """One version.

        Raises:
            ServerError: The version is not registered; the message names those that are.
        """
        found = self._versions(name, version)
        if found[0].version != version:  # `all` is no version, but TorchServe's word for all of them
            raise self._unknown(name, version)
        return found[0]

    def register(self, archive: str) -> None:
        """Register an archive of the model store and start its workers; return before they are ready.

        Worker counts and batch settings are those of the archive's ``model-config.yaml``. By default TorchServe answers
        only when the workers are ready, and stalls inference connections until then.
        """
        self._ask("POST", "/models", url=archive, synchronous="false")

    def unregister(self, name: str, version: str) -> None:
        """Remove a version at once; the requests that it is answering are lost."""
        self._ask("DELETE", _path(name, version))

    def set_default(self, name: str, version: str) -> None:
        """Make a version the default, which answers requests that name no version. No request fails."""
        self._ask("PUT", f"{_path(name, version)}/set-default")

    def scale(self, name: str, version: str, least: int, most: int) -> None:
        """Start workers up to ``least``, end those over ``most`` at once, newest first; return at once."""
        counts = {"min_worker": str(least), "max_worker": str(most)}
        self._ask("PUT", _path(name, version), **counts, synchronous="false")

    def _versions(self, *names: str) -> list[RegisteredVersion]:
        try:
            given = self._ask("GET", _path(*names)).json()
        except _NotFoundError:
            raise self._unknown(*names) from None
        return [_version(one) for one in given]

    def _unknown(self, name: str, *version: str) -> ServerError:
        names = self.models()
        if name in names:
            known = f"registered versions of {name}: " + ", ".join(one.version for one in self.versions(name))
        else:
            known = "registered models: " + (", ".join(names) or "none")
        return ServerError(f"{' '.join((name, *version))} is not registered; {known}")

    def _ask(self, method: str, path: str, **parameters: str) -> httpx.Response:
        url = f"{self.client.addresses.management}{path}"
        try:
            reply = self.client.http.request(
                method, url, headers=self.client.header("management"), params=parameters or None
            )
        except httpx.TransportError as error:
            raise ServerError(f"{url} does not answer ({error}); is the server running? make serve") from None
        if reply.status_code == httpx.codes.NOT_FOUND:
            raise _NotFoundError(f"{url} answered 404: {_message(reply)}")
        if reply.is_error:
            raise ServerError(f"{url} answered {reply.status_code}: {_message(reply)}")
        return reply


class _NotFoundError(ServerError):
    """The model or the version is not registered."""


def _path(*names: str) -> str:
    if {"", ".", ".."} & set(names):  # they would lead to another address
        raise _NotFoundError(f"{' '.join(names)!r} names no model")
    return "/models/" + "/".join(quote(name, safe="", errors="surrogateescape") for name in names)


def _version(given: dict[str, Any]) -> RegisteredVersion:
    workers = sorted(given["workers"], key=lambda worker: int(worker["id"]))
    return RegisteredVersion(
        name=given["modelName"],
        version=given["modelVersion"],
        archive=given["modelUrl"],
        min_workers=given["minWorkers"],
        max_workers=given["maxWorkers"],
        workers=tuple(WorkerProcess(one["pid"], one["status"], one["startTime"]) for one in workers),
        pending=given["jobQueueStatus"]["pendingRequests"],
        capacity=given["jobQueueStatus"]["pendingRequests"] + given["jobQueueStatus"]["remainingCapacity"],
        response_timeout=given["responseTimeout"],
        startup_timeout=given["startupTimeout"],
    )


def _message(reply: httpx.Response) -> str:
    try:
        return str(reply.json()["message"])
    except (ValueError, KeyError, TypeError):
        return reply.text.strip() or reply.reason_phrase
