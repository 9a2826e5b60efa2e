"""Ports and sockets: those that a server would take, and free ones for a server beside it."""

from __future__ import annotations

import socket
from contextlib import ExitStack
from pathlib import Path

from vqaops.errors import ServerError

SOCKET_PATH_LIMIT = 107
"""Linux keeps a unix socket's path in 108 bytes, one of them the closing zero."""


def free_ports(count: int) -> list[int]:
    """Ports of loopback that are free now; all are held until all are chosen, so that none comes twice."""
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]


def own_ports() -> dict[str, str]:
    """Properties that give a server ports of its own."""
    inference, management, metrics, grpc_inference, grpc_management = free_ports(5)
    return {
        "inference_address": f"http://127.0.0.1:{inference}",
        "management_address": f"http://127.0.0.1:{management}",
        "metrics_address": f"http://127.0.0.1:{metrics}",
        "grpc_inference_port": str(grpc_inference),
        "grpc_management_port": str(grpc_management),
    }


def check_socket(path: Path) -> None:
    """Refuse a unix socket that could not be taken.

    Raises:
        ServerError: Its path is too long, or another program answers there.
    """
    if len(str(path)) > SOCKET_PATH_LIMIT:
        raise ServerError(f"the path {path} is too long for a unix socket; choose a shorter folder")
    with socket.socket(socket.AF_UNIX) as probe:
        if probe.connect_ex(str(path)) == 0:
            raise ServerError(f"the socket {path} is taken by another program; end it, or choose another path")


def check_port(port: int, key: str, file: str) -> None:
    """Refuse a port of loopback that could not be taken.

    Args:
        port: The port.
        key: The property that names it.
        file: That holds the property.

    Raises:
        ServerError: Another program has it.
    """
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            raise ServerError(
                f"port {port} ({key}) is taken by another program; end it, or set {key} in {file}"
            ) from None
