"""Workers of a version: started, and ended while they are idle."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

from vqaops.errors import ServerError
from vqaops.rollout.drain import is_idle
from vqaops.server.management import Management
from vqaops.server.worker_log import load_failure
from vqaops.store.archive import Archive

POLL_SECONDS = 0.2
IMPORT_SECONDS = 120
"""TorchServe's own limit for the start of a worker, before ``startupTimeout`` begins."""
START_SECONDS = 5
"""TorchServe's first attempts, and the imports until a process reports its pid, take about two."""
IDLE_CHECKS = 4
"""Checks of a twentieth of a second each. A request that TorchServe hands over after the last one is still lost."""

Progress = Callable[[str], None]
"""Shows what is being waited for; called whenever that changes."""


@dataclass(frozen=True, slots=True)
class Workers:
    """The workers of a running server.

    Attributes:
        management: Its management API.
        model_log: The log of its workers.
        progress: Shows what is being waited for.
    """

    management: Management
    model_log: Path
    progress: Progress

    def scale(self, name: str, version: str, least: int, most: int) -> None:
        """Set the number of workers, and return when ``least`` of them are ready.

        Workers are ended one at a time and only while idle, since TorchServe does not wait for the requests that a
        worker is answering. A request that arrives between the check and the end gets 500 "Worker died."; the project's
        client sends it again.

        Raises:
            ServerError: The version is not registered, a worker does not get ready, or the workers are never idle.
        """
        if self._are_given_up(name, version):
            # TorchServe keeps the queue but never tries again by itself; only from no worker does it start new ones.
            try:
                self.management.scale(name, version, 0, 0)
            finally:
                self.management.scale(name, version, least, most)
        now = self.management.version(name, version)
        for count in range(len(now.workers) - 1, most - 1, -1):
            self._await_idle(name, version, now.response_timeout)
            self.management.scale(name, version, min(least, count), count)
        self.management.scale(name, version, least, most)
        self._await_ready(name, version, least, now.startup_timeout)

    @contextmanager
    def loading(self, archive: Archive) -> Iterator[None]:
        """Register an archive of the model store, and wait until all its workers are ready.

        If that or the block fails, the archive is unregistered again.

        Raises:
            ServerError: It cannot be loaded, or it was registered before, and then stays so.
        """
        settings = archive.settings
        since = self.model_log.stat().st_size if self.model_log.exists() else 0
        self.progress(f"registering {archive.name} {archive.version}")
        self.management.register(archive.path.name)
        try:
            if "workers" in settings.auto:  # TorchServe starts as many as suit the machine that built the archive
                self.management.scale(archive.name, archive.version, settings.minWorkers, settings.maxWorkers)
            self._await_ready(archive.name, archive.version, settings.minWorkers, settings.startupTimeout, since)
            yield
        except BaseException:
            self.management.unregister(archive.name, archive.version)
            raise

    def _are_given_up(self, name: str, version: str) -> bool:
        """Whether no worker has had a process for longer than TorchServe takes to start one."""
        deadline = time.monotonic() + START_SECONDS
        while True:
            now = self.management.version(name, version)
            # A new worker has the pid -1 until its process reports its own; a dead one keeps its last pid.
            starting = any(worker.pid < 0 or psutil.pid_exists(worker.pid) for worker in now.workers)
            if now.ready or not now.workers or starting:
                return False
            if time.monotonic() > deadline:
                return True
            self.progress(f"{name} {version} has no worker; waiting for TorchServe to start one")
            time.sleep(POLL_SECONDS)

    def _await_ready(self, name: str, version: str, workers: int, seconds: float, since: int | None = None) -> None:
        seconds += IMPORT_SECONDS
        deadline = time.monotonic() + seconds
        while True:
            there = self.management.version(name, version)
            self.progress(f"{name} {version}: {there.ready} of {workers} workers ready")
            if there.ready >= workers:
                return
            if since is not None and (failure := load_failure(self.model_log, name, version, since)):
                raise ServerError(f"{name} {version} cannot be loaded: {failure} (whole log: {self.model_log})")
            if time.monotonic() > deadline:
                raise ServerError(
                    f"{name} {version} has {there.ready} of {workers} workers ready after {seconds:.0f} s; "
                    f"see {self.model_log}"
                )
            time.sleep(POLL_SECONDS)

    def _await_idle(self, name: str, version: str, seconds: float) -> None:
        """Wait until the newest worker is idle in several checks in a row; one may fall between two batches."""
        deadline = time.monotonic() + seconds
        idle = 0
        while idle < IDLE_CHECKS:
            if is_idle(self.management.version(name, version), newest=1):
                idle += 1
                continue
            idle = 0
            self.progress(f"waiting until the newest worker of {name} {version} is idle")
            if time.monotonic() > deadline:
                raise ServerError(
                    f"{name} {version} was never idle in {seconds:.0f} s, and ending a busy worker loses its requests; "
                    "scale down when there is less load"
                )
            time.sleep(POLL_SECONDS)
