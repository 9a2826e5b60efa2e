"""The addresses on which a server listens: ports, or unix sockets."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import httpx

from vqaops.errors import ServerError


@dataclass(frozen=True, slots=True)
class Addresses:
    """Base URLs of TorchServe's three HTTP ports.

    Attributes:
        sockets: The unix socket for a base URL. An address ``unix:/path`` has no URL, so it gets one under a host that
            cannot exist. Only clients that `pool` makes connect to it; any other client fails at once.
    """

    inference: str = "http://127.0.0.1:8080"
    management: str = "http://127.0.0.1:8081"
    metrics: str = "http://127.0.0.1:8082"
    sockets: Mapping[str, Path] = field(default_factory=dict)

    @classmethod
    def of(cls, properties: Mapping[str, str]) -> Self:
        """The addresses in TorchServe's properties: ``http://host:port`` or ``unix:/path``, or TorchServe's default.

        Raises:
            ServerError: A property is neither.
        """
        urls, sockets = {}, {}
        for kind in ("inference", "management", "metrics"):
            if (url := properties.get(f"{kind}_address")) is None:
                continue
            if socket := socket_of(url):
                url = f"http://{kind}.invalid"  # RFC 6761: never resolves
                sockets[url] = socket
            elif not _is_http(url):
                raise ServerError(
                    f"{kind}_address={url} is no address; give http://HOST:PORT or unix:/PATH in config.properties"
                )
            urls[kind] = url.rstrip("/")
        return cls(**urls, sockets=sockets)

    def pool(self, timeout: float = 60) -> httpx.Client:
        """An HTTP client that reaches these addresses; it may be shared between threads."""
        mounts = {url: httpx.HTTPTransport(uds=str(path)) for url, path in self.sockets.items()}
        return httpx.Client(timeout=timeout, trust_env=False, mounts=mounts)

    def curl(self, url: str) -> str:
        """A URL under one of these addresses as arguments of ``curl``, quoted for a shell."""
        for base, path in self.sockets.items():
            if url.startswith(base):
                return f"--unix-socket {shlex.quote(str(path))} {shlex.quote(url)}"
        return shlex.quote(url)


def _is_http(url: str) -> bool:
    try:
        parsed = httpx.URL(url)
    except httpx.InvalidURL:
        return False
    return parsed.scheme in {"http", "https"} and bool(parsed.host)


def socket_of(address: str) -> Path | None:
    """The path in ``unix:/path``, TorchServe's spelling of a unix socket; None for any other address."""
    scheme, _, path = address.partition(":")
    return Path(path) if scheme.lower() == "unix" else None
