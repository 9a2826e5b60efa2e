"""A server to break: it serves the weightless model, with all its files in one folder."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from loadtest.faults.faulty_archives import MODEL, build_faulty
from vqaops.errors import ServerError
from vqaops.server.client import Client
from vqaops.server.management import Management
from vqaops.server.own_server import own_server
from vqaops.server.server import Server
from vqaops.store.archive import Archive
from vqaserve.text_files import split_lines

START_SECONDS = 180
WAIT_SECONDS = 90
_POLL_SECONDS = 0.1


@dataclass(frozen=True)
class FaultServer:
    """A running server, with what scenarios do to it.

    Attributes:
        server: The server.
        archive: The archive of its default version.
        killed: Workers that were killed; TorchServe may still report them as READY.
    """

    server: Server
    archive: Archive
    killed: set[int] = field(default_factory=set)

    @property
    def client(self) -> Client:
        """A client of the server."""
        return self.server.client

    @property
    def management(self) -> Management:
        """The server's management API, without any check of ours."""
        return Management(self.client)

    @property
    def store(self) -> Path:
        """The model store."""
        return self.archive.path.parent

    def restart(self) -> None:
        """Start the server again after its Java process has ended, and wait until every worker is ready.

        Raises:
            ServerError: The server does not start.
        """
        self.server.start([self.archive])
        self.server.wait_until_ready([self.archive], START_SECONDS)
        self.wait_for_workers()

    def kill_worker(self, number: int = 0) -> None:
        """Kill a ready worker of the default version, in turn by ``number``; wait until there is one.

        Raises:
            ServerError: No worker is ready in time.
        """
        ready: list[int] = []

        def any_ready() -> bool:
            workers = self.client.workers(MODEL)
            ready[:] = [one.pid for one in workers if one.status == "READY" and one.pid not in self.killed]
            return bool(ready)

        self.wait_for(f"a worker of {MODEL} is READY", any_ready)
        pid = ready[number % len(ready)]
        self.killed.add(pid)
        psutil.Process(pid).kill()

    def wait_for_workers(self, version: str = "") -> None:
        """Wait until every worker of a version, by default the default version, is ready.

        Raises:
            ServerError: They are not ready in time.
        """
        name = f"{MODEL}/{version}" if version else MODEL

        def all_ready() -> bool:
            workers = self.client.workers(name)
            return bool(workers) and all(one.status == "READY" and one.pid not in self.killed for one in workers)

        self.wait_for(f"the workers of {name} are READY", all_ready)

    def wait_for(self, what: str, condition: Callable[[], bool]) -> None:
        """Poll a condition until it holds.

        Raises:
            ServerError: It does not hold in time.
        """
        deadline = time.monotonic() + WAIT_SECONDS
        while not condition():
            if time.monotonic() > deadline:
                raise ServerError(f"not within {WAIT_SECONDS} s: {what}; see {self.server.run}/logs")
            time.sleep(_POLL_SECONDS)

    def log_lines(self, pattern: str) -> list[str]:
        """Return the lines of the server's logs that match a regular expression, without their dates."""
        lines: list[str] = []
        for name in ("console.log", "server.log", "model.log"):
            log = self.server.run / "logs" / name
            lines += split_lines(log.read_text(encoding="utf-8", errors="replace")) if log.exists() else []
        return [re.sub(r"^[\d:T,-]+ ", "", line).strip() for line in lines if re.search(pattern, line)]


@contextmanager
def fault_server(folder: Path, fault: str = "", **settings: int) -> Iterator[FaultServer]:
    """Yield a running server with all workers ready; it stops with the block.

    Args:
        folder: For the run folder and the model store.
        fault: As in `build_faulty`, like ``settings``.
        settings: The recipe's server settings.

    Raises:
        ServerError: The server does not start.
    """
    archive = build_faulty(folder / "store", fault, "1.0.0", **settings)
    with own_server([archive], folder / "run", seconds=START_SECONDS) as server:
        started = FaultServer(server, archive)
        started.wait_for_workers()
        yield started
