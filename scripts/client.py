"""A small client of a running server: its addresses, its keys, and the calls that the scripts need."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx


class ServerError(Exception):
    """The server cannot be asked, or refused; the message says what to do."""


@dataclass(frozen=True, slots=True)
class Addresses:
    """Base URLs of TorchServe's three HTTP ports."""

    inference: str = "http://127.0.0.1:8080"
    management: str = "http://127.0.0.1:8081"
    metrics: str = "http://127.0.0.1:8082"


@dataclass(frozen=True, slots=True)
class Worker:
    """One Python process behind a model: its pid, TorchServe's word for its state, and when it started."""

    pid: int
    status: str
    started: str


@dataclass(frozen=True)
class Client:
    """Asks questions and reads the state of models.

    Attributes:
        addresses: Where the server listens.
        key_file: TorchServe's ``key_file.json``; read at each call, since keys change at each start.
        http: The connection pool; httpx clients may be shared between threads.
    """

    addresses: Addresses
    key_file: Path
    http: httpx.Client = field(default_factory=lambda: httpx.Client(timeout=60, trust_env=False))

    def key(self, kind: str) -> str:
        """The token for ``inference`` or ``management``.

        Raises:
            ServerError: There is no key file, or it has no such key.
        """
        try:
            key: str = json.loads(self.key_file.read_text(encoding="utf-8"))[kind]["key"]
        except FileNotFoundError:
            raise ServerError(
                f"{self.key_file} is missing: the server is not running (start it: make serve), "
                "or its keys were deleted (start it anew: make stop serve)"
            ) from None
        except (ValueError, KeyError, TypeError):
            raise ServerError(f"{self.key_file} holds no {kind} key; start the server again: make stop serve") from None
        return key

    def header(self, kind: str) -> dict[str, str]:
        """The ``Authorization`` header for ``inference`` or ``management``."""
        return {"Authorization": f"Bearer {self.key(kind)}"}

    def ask(self, model: str, picture: bytes, question: str, top_k: int | None = None) -> dict[str, Any]:
        """One question about one picture; the reply of protocol ``plain``.

        Raises:
            ServerError: The server is not there, or answers with an error.
        """
        form = {"question": question} | ({"top_k": str(top_k)} if top_k else {})
        url = f"{self.addresses.inference}/predictions/{model}"
        try:
            reply = self.http.post(url, headers=self.header("inference"), data=form, files={"image": picture})
        except httpx.TransportError as error:
            raise ServerError(f"{url} does not answer ({error}); is the server running? make serve") from None
        if reply.is_error:
            raise ServerError(f"{url} answered {reply.status_code}: {reply.text.strip()}")
        answer: dict[str, Any] = reply.json()
        return answer

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
