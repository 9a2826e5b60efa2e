"""Ports and unix sockets: those that a server needs, and free ones for a server of its own."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import urlsplit

from vqaops.errors import ServerError

SOCKET_PATH_LIMIT = 107
"""Bytes of a unix socket's path on Linux: 108 with the closing zero."""
GRPC_PORTS = {"grpc_inference_port": "7070", "grpc_management_port": "7071"}
"""TorchServe's defaults."""


def free_ports(count: int) -> list[int]:
    """Different ports that are free on loopback now."""
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]  # all bound, so that none comes twice
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]


def own_ports() -> dict[str, str]:
    """Properties that give a server free ports."""
    inference, management, metrics, grpc_inference, grpc_management = free_ports(5)
    return {
        "inference_address": f"http://127.0.0.1:{inference}",
        "management_address": f"http://127.0.0.1:{management}",
        "metrics_address": f"http://127.0.0.1:{metrics}",
        "grpc_inference_port": str(grpc_inference),
        "grpc_management_port": str(grpc_management),
    }


def ports_of(properties: Mapping[str, str]) -> dict[str, int]:
    """The ports that a server with these properties listens on, by the property that names each.

    Raises:
        ServerError: A port is not a number.
    """
    ports = {}
    for key, value in {**GRPC_PORTS, **properties}.items():
        try:
            if key.endswith("_address") and "://" in value:
                address = urlsplit(value)
                ports[key] = address.port or (443 if address.scheme == "https" else 80)
            elif key in GRPC_PORTS:
                ports[key] = int(value)
        except ValueError:
            raise ServerError(f"{key}={value} names no port; give a number from 1 to 65535") from None
    return ports


def check_socket(path: Path) -> None:
    """Refuse a unix socket that a server could not listen on.

    Raises:
        ServerError: Its path is too long, or another program answers there.
    """
    if len(os.fsencode(path)) > SOCKET_PATH_LIMIT:
        raise ServerError(f"the path {path} is too long for a unix socket; choose a shorter folder")
    with socket.socket(socket.AF_UNIX) as probe:
        if probe.connect_ex(str(path)) == 0:
            raise ServerError(f"the socket {path} is taken by another program; stop that one, or choose another path")


def check_port(port: int, key: str, file: str) -> None:
    """Refuse a port of loopback that a server could not listen on.

    Args:
        port: The port.
        key: The property that names it.
        file: The file that holds the property.

    Raises:
        ServerError: Another program listens on it.
    """
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            raise ServerError(
                f"port {port} ({key}) is taken by another program; stop that one, or set {key} in {file}"
            ) from None
