"""A small client of a running server: its addresses, its keys, and the calls that the scripts need."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from vqaops.errors import ServerError
from vqaops.server.endpoints import Addresses
from vqaops.server.key_file import KeyFile, NoKeys
from vqaops.server.retry import RetryPolicy

__all__ = ["Addresses", "Client", "ServerError", "Worker"]

RENEWAL_SECONDS = 15
"""A token is renewed this long before it expires: longer than a request waits in a full queue."""
RENEWING_SECONDS = 5
MOST_RENEWALS = 4


@dataclass(frozen=True, slots=True)
class Worker:
    """One Python process behind a model: its pid, TorchServe's word for its state, and when it started."""

    pid: int
    status: str
    started: str


@dataclass(frozen=True)
class Client:
    """Asks questions and reads the state of models.

    A passing failure is not the caller's: the request is sent again (``retry``), and a token that expires or was
    renewed by somebody else is replaced.

    Attributes:
        addresses: Where the server listens.
        key_file: TorchServe's ``key_file.json``; read at each call, since keys change at each start.
        http: The connection pool, from the addresses' own `pool` where they are sockets.
        retry: When predictions are sent again; ``retry.NEVER`` for who measures failures.
    """

    addresses: Addresses
    key_file: Path
    http: httpx.Client = field(default_factory=lambda: Addresses().pool())
    retry: RetryPolicy = field(default_factory=RetryPolicy)
    _had_keys: threading.Event = field(default_factory=threading.Event, repr=False, compare=False)
    _renewing: threading.Lock = field(default_factory=threading.Lock, repr=False, compare=False)

    def key(self, kind: str) -> str:
        """The token for ``inference`` or ``management``.

        Raises:
            ServerError: There is no key file, or it has no such key.
        """
        return KeyFile(self.key_file).key(kind)

    def header(self, kind: str) -> dict[str, str]:
        """The ``Authorization`` header for ``inference`` or ``management``, with a token that is not about to expire.

        Raises:
            ServerError: As ``key``.
        """
        key = self.key(kind)
        if KeyFile(self.key_file).seconds_left(kind) < RENEWAL_SECONDS:
            key = self.renewed(kind, key)
        return {"Authorization": f"Bearer {key}"}

    def renewed(self, kind: str, old: str) -> str:
        """The token after ``old``: one that somebody else has made meanwhile, or a new one.

        The old one ends at once, for everybody. If the server makes no new one, that is ``old`` again.

        Raises:
            ServerError: As ``key``.
        """
        keys = KeyFile(self.key_file)
        with self._renewing:
            if keys.key(kind) == old:
                try:
                    self.http.get(
                        f"{self.addresses.management}/token?type={kind}",
                        headers={"Authorization": f"Bearer {keys.key('API')}"},
                        timeout=RENEWING_SECONDS,
                    )
                except httpx.TransportError:
                    return old
                keys.write_header()
            return keys.key(kind)

    def ask(self, model: str, picture: bytes, question: str, top_k: int | None = None) -> dict[str, Any]:
        """One question about one picture; the reply of protocol ``plain``.

        Raises:
            ServerError: The server is not there, or answers with an error.
        """
        form = {"question": question} | ({"top_k": str(top_k)} if top_k else {})
        url = f"{self.addresses.inference}/predictions/{model}"
        try:
            reply = self.predict(url, data=form, files={"image": picture})
        except httpx.TransportError as error:
            raise ServerError(f"{url} does not answer ({error}); is the server running? make serve") from None
        if reply.is_error:
            raise ServerError(f"{url} answered {reply.status_code}: {reply.text.strip()}")
        answer: dict[str, Any] = reply.json()
        return answer

    def predict(self, url: str, **request: Any) -> httpx.Response:
        """POST to the inference address, with a valid token, again where that helps.

        Args:
            url: Whole address.
            request: What ``httpx.Client.post`` takes: data, files, json, content.

        Raises:
            httpx.TransportError: The last attempt got no reply.
            ServerError: As ``key``, at the client's first question; later, no keys mean a server that is being
                started again.
        """

        def attempt(seconds: float | None) -> httpx.Response:
            timeout = _at_most(seconds, self.http.timeout)
            try:
                key = self.header("inference")["Authorization"].removeprefix("Bearer ")
            except NoKeys as error:
                if not self._had_keys.is_set():
                    raise
                raise httpx.ConnectError(str(error)) from None
            self._had_keys.set()
            # Others renew tokens too, even between our new one and its use.
            for _ in range(MOST_RENEWALS):
                reply = self.http.post(url, headers={"Authorization": f"Bearer {key}"}, timeout=timeout, **request)
                if not _refuses_token(reply):
                    break
                refused, key = key, self.renewed("inference", key)
                if key == refused:
                    break
            return reply

        return self.retry.send(attempt)

    def workers(self, model: str) -> list[Worker]:
        """The workers of a model's default version; none while it is not registered.

        Raises:
            ServerError: The management address refuses.
            httpx.TransportError: Nothing listens there (yet).
        """
        url = f"{self.addresses.management}/models/{model}"
        reply = self.http.get(url, headers=self.header("management"))
        if reply.status_code == httpx.codes.NOT_FOUND:
            return []
        if reply.is_error:
            raise ServerError(f"{url} answered {reply.status_code}: {reply.text.strip()}")
        return [Worker(one["pid"], one["status"], one["startTime"]) for one in reply.json()[0]["workers"]]


def _at_most(seconds: float | None, timeout: httpx.Timeout) -> httpx.Timeout:
    if seconds is None:
        return timeout
    return httpx.Timeout(
        **{name: seconds if limit is None else min(seconds, limit) for name, limit in timeout.as_dict().items()}
    )


def _refuses_token(reply: httpx.Response) -> bool:
    return reply.status_code == httpx.codes.BAD_REQUEST and '"InvalidKeyException"' in reply.text
