"""Connections to addresses that were checked before, which end at one deadline."""

from __future__ import annotations

import contextlib
import ssl
import time
from collections.abc import Iterable, Sequence
from typing import Any

import httpcore


class PinnedBackend(httpcore.NetworkBackend):
    """Connects to the given addresses, whatever the host's name resolves to by now."""

    def __init__(self, backend: httpcore.NetworkBackend, addresses: Sequence[str], deadline: float) -> None:
        """Connect to nothing yet.

        Args:
            backend: Makes the connections.
            addresses: Tried in order.
            deadline: On the monotonic clock.
        """
        self._backend = backend
        self._addresses = addresses
        self._deadline = deadline

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        """Connect to the first address that accepts."""
        del host, timeout, local_address, socket_options
        *first, last = self._addresses
        for address in first:
            with contextlib.suppress(httpcore.ConnectError, httpcore.ConnectTimeout):
                return self._connect(address, port)
        return self._connect(last, port)

    def _connect(self, address: str, port: int) -> httpcore.NetworkStream:
        return _DeadlineStream(self._backend.connect_tcp(address, port, _left(self._deadline)), self._deadline)


class _DeadlineStream(httpcore.NetworkStream):
    """A connection in which every operation ends at one deadline; a timeout per operation never ends a slow trickle."""

    def __init__(self, stream: httpcore.NetworkStream, deadline: float) -> None:
        self._stream = stream
        self._deadline = deadline

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """Return up to ``max_bytes``."""
        del timeout
        return self._stream.read(max_bytes, _left(self._deadline))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """Write the whole buffer."""
        del timeout
        self._stream.write(buffer, _left(self._deadline))

    def close(self) -> None:
        """Close the connection."""
        self._stream.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        """Start TLS; the certificate is checked against the URL's host name, not against the address."""
        del timeout
        stream = self._stream.start_tls(ssl_context, server_hostname, _left(self._deadline))
        return _DeadlineStream(stream, self._deadline)

    def get_extra_info(self, info: str) -> Any:
        """Return what the underlying connection says."""
        return self._stream.get_extra_info(info)


def _left(deadline: float) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left
