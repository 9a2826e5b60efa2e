"""A server beside any other: on free ports, in a folder of its own, stopped when the block ends."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from vqaops.calibrating.calibrate import Calibrator
from vqaops.errors import ServerError
from vqaops.paths import CONFIG
from vqaops.server.ports import own_ports
from vqaops.server.server import Server
from vqaops.store.archive import Archive

READY_SECONDS = 300


@contextmanager
def own_server(
    archives: Sequence[Archive],
    run: Path,
    *,
    seconds: float = READY_SECONDS,
    config: Path = CONFIG,
    measures: bool = False,
    **properties: str,
) -> Iterator[Server]:
    """Start a server on free ports, wait until each archive has a worker READY, and stop it with the block.

    Args:
        archives: What it serves; all of one model store. The first of a model is its default version.
        run: Its run folder, with a path short enough for unix sockets; it stays when the server has stopped.
        seconds: Until which it must be ready.
        config: The ``config.properties`` to start from.
        measures: Whether archives that say ``auto`` are calibrated first, as ``make serve`` does.
        properties: Properties that replace those of ``config``.

    Yields:
        The running server. `wait_for_all_workers` waits until the last worker is ready too.

    Raises:
        ServerError: The server does not start, or a worker cannot load its archive.
        RecipeError: An archive cannot be read.
    """
    server = Server(run.resolve(), config, {**own_ports(), **properties})
    if measures:
        Calibrator(server.folder, lambda text: None, lambda text: None).calibrate(archives)
    server.start(archives)  # not in the block below: a server that runs in this folder already is not ours to stop
    try:
        server.wait_until_ready(archives, seconds)
        yield server
    finally:
        server.stop(at_once=True)
        server.client.http.close()


def wait_for_all_workers(
    server: Server, archives: Sequence[Archive], seconds: float = READY_SECONDS
) -> dict[int, float]:
    """Wait until every worker of the archives' default versions is READY.

    Returns:
        When each worker was first seen READY, in seconds since the epoch, by the worker's pid.

    Raises:
        ServerError: A worker is not ready in time.
    """
    ready: dict[int, float] = {}
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        workers = [worker for archive in archives for worker in server.client.workers(archive.name)]
        for worker in workers:
            if worker.status == "READY":
                ready.setdefault(worker.pid, time.time())
        if len(ready) == len(workers):
            return ready
        time.sleep(0.05)
    raise ServerError(f"not all workers are ready after {seconds:.0f} s; see {server.run}/logs")
