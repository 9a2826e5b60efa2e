"""Workers of a version: started, and ended when they do nothing."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from scripts.archive import Archive
from scripts.client import ServerError
from scripts.management import Management
from scripts.rollout.drain import is_idle
from scripts.worker_log import load_failure

POLL_SECONDS = 0.2
IMPORT_SECONDS = 120
"""TorchServe's own limit for a worker to come up, before ``startupTimeout`` begins."""

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
        has in hand.

        Raises:
            ServerError: It is not registered, a worker does not get ready, or the workers are never idle.
        """
        now = self.management.version(name, version)
        if now.workers and not now.ready:
            # TorchServe has given up on them, or is about to: it never tries again by itself, but keeps the queue.
            self.management.scale(name, version, 0, 0)
            now = self.management.version(name, version)
        for count in range(len(now.workers) - 1, most - 1, -1):
            self._await_idle(name, version, now.response_timeout)
            self.management.scale(name, version, min(least, count), count)
        self.management.scale(name, version, least, most)
        self._await_ready(name, version, least, now.startup_timeout)

    def load(self, archive: Archive) -> None:
        """Register an archive of the model store, and wait until it has all its workers.

        Raises:
            ServerError: It cannot be loaded; it is not registered any more.
        """
        settings = archive.settings
        since = self.model_log.stat().st_size if self.model_log.exists() else 0
        self.progress(f"registering {archive.name} {archive.version}")
        self.management.register(archive.path.name)
        try:
            self._await_ready(archive.name, archive.version, settings.minWorkers, settings.startupTimeout, since)
        except (ServerError, KeyboardInterrupt):
            self.management.unregister(archive.name, archive.version)
            raise

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
        deadline = time.monotonic() + seconds
        while not is_idle(self.management.version(name, version), newest=1):
            self.progress(f"waiting for a moment in which the newest worker of {name} {version} does nothing")
            if time.monotonic() > deadline:
                raise ServerError(
                    f"{name} {version} was never idle in {seconds:.0f} s, and a worker that is ended loses what it has "
                    "in hand; scale down when there is less to do"
                )
            time.sleep(POLL_SECONDS)
