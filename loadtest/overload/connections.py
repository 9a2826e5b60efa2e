"""Connections that cost a server resources and ask nothing: slow, idle and half-closed ones."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from urllib.parse import urlsplit

import gevent
from gevent import socket
from gevent.pool import Group

from loadtest.loops import closed_loop
from loadtest.overload.flood import latency_percentile, statuses
from loadtest.overload.targets import SERVICE_SECONDS, OverloadTarget
from vqaops.errors import ServerError

BYTE_SECONDS = 0.5
CostlyConnection = Callable[[socket.socket, bytes, bytes], None]
"""Takes an open connection, and the header and the body of a whole request."""


def idle(connection: socket.socket, header: bytes, body: bytes) -> None:
    """Send nothing."""
    del connection, header, body


def slow(connection: socket.socket, header: bytes, body: bytes) -> None:
    """Send the header, then the body byte by byte."""
    connection.sendall(header)
    for byte in body:
        connection.sendall(bytes([byte]))
        gevent.sleep(BYTE_SECONDS)


def half_closed(connection: socket.socket, header: bytes, body: bytes) -> None:
    """Send half of the request, then close the sending direction only."""
    request = header + body
    connection.sendall(request[: len(request) // 2])
    connection.shutdown(socket.SHUT_WR)


CONNECTIONS: dict[str, tuple[CostlyConnection, int]] = {
    "clients that send a byte every 0.5 s": (slow, 200),
    "idle connections": (idle, 1000),
    "half-closed connections": (half_closed, 200),
}
"""Each kind with the number of connections to open."""


def p95_among(target: OverloadTarget, kind: CostlyConnection, count: int, questions: int) -> float:
    """Return the 95th percentile, in seconds, of a normal client among so many costly connections.

    Raises:
        OSError: The server does not accept so many connections.
        ServerError: A question of the normal client is not answered, or wrongly.
    """
    with closing(target.client(1)) as client:
        client.send(next(target.requests()))  # opens the connection before the others
        with _open(target, kind, count):
            replies = closed_loop(client, [target.requests()], questions * SERVICE_SECONDS * 1.5)
    if set(statuses(replies)) != {200} or any(map(target.is_wrong, replies)):
        raise ServerError(f"among {count} {kind.__name__} connections: replies by status {dict(statuses(replies))}")
    return latency_percentile(replies, 95)


@contextmanager
def _open(target: OverloadTarget, kind: CostlyConnection, count: int) -> Iterator[None]:
    """Open the connections; all are open when the block begins, and are closed when it ends."""
    where = urlsplit(target.server.client.addresses.inference)
    header, body = _request(target)
    connections = Group().map(lambda _: socket.create_connection((where.hostname, where.port)), range(count))
    behaviour = Group()

    def behave(connection: socket.socket) -> None:
        with suppress(OSError):  # the server may close the connection
            kind(connection, header, body)

    for connection in connections:
        behaviour.spawn(behave, connection)
    try:
        yield
    finally:
        behaviour.kill()
        for connection in connections:
            connection.close()


def _request(target: OverloadTarget) -> tuple[bytes, bytes]:
    """Return the header and the body of a whole request."""
    api, body = target.server.client, b"x" * 1000
    lines = [
        f"POST /predictions/{target.model} HTTP/1.1",
        f"Host: {urlsplit(api.addresses.inference).netloc}",
        f"Content-Length: {len(body)}",
        "Content-Type: image/png",
        *(f"{name}: {value}" for name, value in api.header("inference").items()),
    ]
    return "\r\n".join([*lines, "", ""]).encode(), body
