"""Servers to measure: started on ports of their own and ended afterwards, or the one that runs."""

from __future__ import annotations

import shutil
import time
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from vqaops.building.build import archive_of, build, is_current
from vqaops.errors import ServerError
from vqaops.server.ports import own_ports
from vqaops.server.server import Server
from vqaops.store.archive import Archive

READY_SECONDS = 300


@dataclass(frozen=True)
class Running:
    """A server with its models loaded.

    Attributes:
        server: The server.
        process: Its Java process.
        start_seconds: From the start of Java to the last worker's readiness; nothing for one that ran already.
        worker_seconds: The same from each worker's own start, by pid.
    """

    server: Server
    process: psutil.Process
    start_seconds: float | None = None
    worker_seconds: dict[int, float] = field(default_factory=dict)


def archive_from(recipe: Path, store: Path) -> Archive:
    """The recipe's archive in a store, built if it is missing or older than its sources.

    Raises:
        RecipeError: It does not build.
    """
    archive = archive_of(recipe, store)
    return archive if is_current(archive, recipe) else build(recipe, store, replace=True)


def unpacked(archive: Archive, folder: Path) -> Path:
    """An archive's files, for the floor to load just what its workers load; unpacked again when it has changed."""
    recipe = folder / f"{archive.name}-{archive.version}"
    stamp, now = folder / f"{recipe.name}.stamp", f"{archive.path} {archive.path.stat().st_mtime_ns}"
    if not stamp.exists() or stamp.read_text(encoding="utf-8") != now:
        shutil.rmtree(recipe, ignore_errors=True)
        with zipfile.ZipFile(archive.path) as packed:
            packed.extractall(recipe)
        stamp.write_text(now, encoding="utf-8")
    return recipe


@contextmanager
def started(archives: list[Archive], run: Path, seconds: float = READY_SECONDS) -> Iterator[Running]:
    """A server that lives as long as the block, with every worker of every archive ready.

    Args:
        archives: In one model store.
        run: Folder for everything of the server.
        seconds: Until which it must be ready.

    Raises:
        ServerError: It does not start, or a worker cannot load its archive.
    """
    server = Server(run.resolve(), overrides=own_ports())
    server.start(archives)
    try:
        process = server.process()
        if process is None:
            raise ServerError(f"TorchServe ended at once; see {server.run}/logs/console.log")
        ready = _wait_for_all(server, archives, seconds)
        last = max(ready.values())
        since = {pid: moment - psutil.Process(pid).create_time() for pid, moment in ready.items()}
        yield Running(server, process, last - process.create_time(), since)
    finally:
        server.stop(at_once=True)
        server.client.http.close()


def running(model: str) -> Running:
    """The server that `make serve` started.

    Raises:
        ServerError: None runs, or it has not loaded the model.
    """
    server = Server()
    process = server.process()
    if process is None:
        raise ServerError("no server is running; start it (make serve), or leave out --running")
    if not server.client.workers(model):
        raise ServerError(
            f"the running server has not loaded {model}; start it: scripts/serve.py start recipes/{model}"
        )
    return Running(server, process)


def _wait_for_all(server: Server, archives: list[Archive], seconds: float) -> dict[int, float]:
    """When each worker was first seen ready, by pid, in seconds since the epoch."""
    for _ in server.wait_ready(archives, seconds):
        pass  # each archive has a worker now, or it has been said what is wrong
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
