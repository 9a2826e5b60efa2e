"""Workers of a version: started, and ended when they do nothing."""

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
"""TorchServe's own limit for a worker to come up, before ``startupTimeout`` begins."""
START_SECONDS = 5
"""Its first tries, and the imports until a process tells its pid, take about two."""
GLANCES = 4
"""Of a twentieth of a second each. What TorchServe hands over after the last one is lost all the same."""

Progress = Callable[[str], None]
"""Told what is being waited for, as often as it changes."""


@dataclass(frozen=True, slots=True)
class Workers:
    """The workers of a running server.

    Attributes:
        management: Its management API.
        model_log: What its workers write.
        progress: Told what is being waited for.
    """

    management: Management
    model_log: Path
    progress: Progress

    def scale(self, name: str, version: str, least: int, most: int) -> None:
        """Have between ``least`` and ``most`` workers; comes back when those that are needed are ready.

        Workers are ended one at a time, each at a moment in which it does nothing: TorchServe does not wait for what it
        has in hand. Between that look and the end a request can still come; it gets 500 "Worker died.", which the
        project's client sends again.

        Raises:
            ServerError: It is not registered, a worker does not get ready, or the workers are never idle.
        """
        if self._are_given_up(name, version):
            # TorchServe never tries again by itself, but keeps the queue; only from nothing does it start anew.
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
        """Register an archive of the model store, and wait until it has all its workers.

        When that or the block fails, it is not registered any more.

        Raises:
            ServerError: It cannot be loaded, or is registered already and then left as it is.
        """
        settings = archive.settings
        since = self.model_log.stat().st_size if self.model_log.exists() else 0
        self.progress(f"registering {archive.name} {archive.version}")
        self.management.register(archive.path.name)
        try:
            self._await_ready(archive.name, archive.version, settings.minWorkers, settings.startupTimeout, since)
            yield
        except BaseException:
            self.management.unregister(archive.name, archive.version)
            raise

    def _are_given_up(self, name: str, version: str) -> bool:
        """Whether no worker answers, and none has a process for longer than TorchServe takes to start one."""
        deadline = time.monotonic() + START_SECONDS
        while True:
            now = self.management.version(name, version)
            # A new worker has the pid -1 until its process tells its own; one that has died keeps its last.
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
                raise ServerError(f"{name} {version} cannot be loaded: {failure} (all of it: {self.model_log})")
            if time.monotonic() > deadline:
                raise ServerError(
                    f"{name} {version} has {there.ready} of {workers} workers ready after {seconds:.0f} s; "
                    f"see {self.model_log}"
                )
            time.sleep(POLL_SECONDS)

    def _await_idle(self, name: str, version: str, seconds: float) -> None:
        """Until the newest worker was idle at several glances in a row: once may be the gap between two batches."""
        deadline = time.monotonic() + seconds
        idle = 0
        while idle < GLANCES:
            if is_idle(self.management.version(name, version), newest=1):
                idle += 1
                continue
            idle = 0
            self.progress(f"waiting for a moment in which the newest worker of {name} {version} does nothing")
            if time.monotonic() > deadline:
                raise ServerError(
                    f"{name} {version} was never idle in {seconds:.0f} s, and a worker that is ended loses what it has "
                    "in hand; scale down when there is less to do"
                )
            time.sleep(POLL_SECONDS)
