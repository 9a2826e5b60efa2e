"""Servers to measure: one that lives as long as a block, or the one that runs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from vqaops.errors import ServerError
from vqaops.server.own_server import own_server, wait_for_all_workers
from vqaops.server.server import Server
from vqaops.store.archive import Archive


@dataclass(frozen=True)
class MeasuredServer:
    """A server with its models loaded.

    Attributes:
        server: The server.
        process: Its Java process.
        start_seconds: From the start of Java until the last worker was ready; None if the server ran already.
        worker_seconds: From each worker's own start until it was ready, by pid.
    """

    server: Server
    process: psutil.Process
    start_seconds: float | None = None
    worker_seconds: dict[int, float] = field(default_factory=dict)


@contextmanager
def start_measured(archives: Sequence[Archive], run: Path) -> Iterator[MeasuredServer]:
    """Yield a dedicated server, with every worker of every archive ready; the server stops with the block.

    Args:
        archives: Archives in one model store.
        run: Folder for all files of the server.

    Raises:
        ServerError: The server does not start, or a worker cannot load its archive.
    """
    with own_server(archives, run, measures=True) as server:
        ready = wait_for_all_workers(server, archives)
        process = java_process(server)
        seconds = {pid: moment - psutil.Process(pid).create_time() for pid, moment in ready.items()}
        yield MeasuredServer(server, process, max(ready.values()) - process.create_time(), seconds)


def running_server(model: str) -> MeasuredServer:
    """Return the server that `make serve` started.

    Raises:
        ServerError: No server runs, or it has not loaded the model.
    """
    server = Server()
    process = java_process(server)
    if not server.client.workers(model):
        raise ServerError(
            f"the running server has not loaded {model}; start it: scripts/serve.py start recipes/{model}"
        )
    return MeasuredServer(server, process)


def java_process(server: Server) -> psutil.Process:
    """Return a running server's Java process.

    Raises:
        ServerError: The server does not run.
    """
    process = server.process()
    if process is None:
        raise ServerError(f"no server is running in {server.run}; start it: make serve")
    return process
