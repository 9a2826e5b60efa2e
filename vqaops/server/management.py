"""TorchServe's management API, as far as versions of models need it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import httpx

from vqaops.errors import ServerError
from vqaops.server.client import Client, Worker


@dataclass(frozen=True, slots=True)
class Version:
    """A registered version of a model.

    Attributes:
        archive: The archive's file name in the model store.
        workers: In the order in which they were started.
        pending: Requests that wait in its queue; those that a worker has in hand are not among them.
        capacity: Requests that may wait; more get 503.
        response_timeout: Seconds after which a worker that does not answer is killed.
        startup_timeout: Seconds that a worker has for loading the model.
    """

    name: str
    version: str
    archive: str
    min_workers: int
    max_workers: int
    workers: tuple[Worker, ...]
    pending: int
    capacity: int
    response_timeout: int
    startup_timeout: int

    @property
    def ready(self) -> int:
        """Workers that can answer."""
        return sum(worker.status == "READY" for worker in self.workers)


@dataclass(frozen=True)
class Management:
    """The calls, each one request; all of them need the management key."""

    client: Client

    def models(self) -> dict[str, str]:
        """The name of every model, and its default version's archive."""
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
            ServerError: There is no such model; the message names those that there are.
        """
        return self._versions(name, "")[0].version

    def versions(self, name: str) -> list[Version]:
        """All versions of a model.

        Raises:
            ServerError: There is no such model; the message names those that there are.
        """
        return self._versions(name, "/all")

    def version(self, name: str, version: str) -> Version:
        """One version.

        Raises:
            ServerError: It is not registered; the message names what is.
        """
        return self._versions(name, f"/{version}")[0]

    def register(self, archive: str) -> None:
        """Register an archive of the model store and start its workers; returns before they are ready.

        The worker counts and batch settings come from the archive's ``model-config.yaml``. TorchServe's default is to
        answer when the workers are ready, and for that long inference connections stand still.
        """
        self._ask("POST", "/models", url=archive, synchronous="false")

    def unregister(self, name: str, version: str) -> None:
        """End a version at once, with whatever it has in hand."""
        self._ask("DELETE", f"/models/{name}/{version}")

    def set_default(self, name: str, version: str) -> None:
        """Let another version answer requests that name none; no request sees a gap."""
        self._ask("PUT", f"/models/{name}/{version}/set-default")

    def scale(self, name: str, version: str, least: int, most: int) -> None:
        """Start workers up to ``least``, end the newest over ``most`` at once; returns before they are ready."""
        self._ask("PUT", f"/models/{name}/{version}", min_worker=str(least), max_worker=str(most), synchronous="false")

    def _versions(self, name: str, which: str) -> list[Version]:
        try:
            given = self._ask("GET", f"/models/{name}{which}").json()
        except _NotFoundError:
            raise ServerError(f"{name}{which} is not registered; {self._registered(name)}") from None
        return [_version(one) for one in given]

    def _registered(self, name: str) -> str:
        names = self.models()
        if name in names:
            return f"of {name} there is " + ", ".join(one.version for one in self.versions(name))
        return "there is " + (", ".join(names) or "no model at all")

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
    pass


def _version(given: dict[str, Any]) -> Version:
    workers = sorted(given["workers"], key=lambda worker: int(worker["id"]))
    return Version(
        name=given["modelName"],
        version=given["modelVersion"],
        archive=given["modelUrl"],
        min_workers=given["minWorkers"],
        max_workers=given["maxWorkers"],
        workers=tuple(Worker(one["pid"], one["status"], one["startTime"]) for one in workers),
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
