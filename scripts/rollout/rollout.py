"""What an operator does to the versions of a running server; each change is noted in its state and in its history."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scripts import checksums
from scripts.archive import Archive
from scripts.client import ServerError
from scripts.management import Management, Version
from scripts.rollout import gate, history
from scripts.rollout.drain import drain, is_idle
from scripts.rollout.gate import Verdict
from scripts.rollout.history import Event
from scripts.rollout.state import State
from scripts.server import Server
from scripts.shared_files import locked
from scripts.worker_log import load_failure
from vqaserve.errors import RecipeError

POLL_SECONDS = 0.2
IMPORT_SECONDS = 120
"""TorchServe's own limit for a worker to come up, before ``startupTimeout`` begins."""

Progress = Callable[[str], None]
"""Told what is being waited for, as often as it changes."""


@dataclass(frozen=True)
class Rollout:
    """The versions of one running server.

    Attributes:
        server: It must run.
        progress: Told what is being waited for.
    """

    server: Server
    progress: Progress

    @property
    def management(self) -> Management:
        """The server's management API."""
        return Management(self.server.client)

    def only_model(self) -> str:
        """The model that is meant when none is named.

        Raises:
            ServerError: The server has none or several.
        """
        names = list(self.management.models())
        if len(names) != 1:
            raise ServerError(f"name the model; the server has {', '.join(names) or 'none'}")
        return names[0]

    def register(self, path: Path, signers: Path | None = None) -> tuple[Version, Verdict]:
        """Serve an archive beside the running version; the version, and what it answered to its first sample.

        The answer is asked for by the version's number: nobody else is sent to it. Of a model that is new to the
        server, it is the default at once.

        Raises:
            RecipeError: The archive is damaged, is not the one that the list beside it names, or has another's place.
            ServerError: It cannot be loaded or does not answer; then nothing of it is left registered.
        """
        archive = Archive.read(path.resolve())
        settings = archive.settings
        samples = archive.samples()
        sha256 = checksums.check(archive.path, signers)
        with self._changing() as state:
            placed, is_new = _place(archive, state.store)
            try:
                self._load(placed, settings.startupTimeout, settings.minWorkers)
                verdict = gate.smoke(self.server.client, archive.name, archive.version, samples[0])
                if not verdict.passed:
                    self.management.unregister(archive.name, archive.version)
                    raise ServerError(f"{archive.name} {archive.version} does not answer: {verdict.measured}")
            except (ServerError, KeyboardInterrupt):
                if is_new:
                    placed.path.unlink()
                raise
            if is_new:
                checksums.record(placed.path)
            is_default = archive.name not in state.models
            event = Event.now("register", archive.name, archive.version, sha256, is_default=is_default)
            self._note(state.with_version(placed), event)
        return self.management.version(archive.name, archive.version), verdict

    def promote(self, name: str, version: str, force: bool = False) -> tuple[list[Verdict], bool]:
        """Let a registered version answer by default, if it passes its gates; the verdicts, and whether it does now.

        It gets at least as many workers as the version that it replaces, which goes on running: a rollback is one call.

        Args:
            name: The model.
            version: A registered version.
            force: Promote it although a gate fails; the history says so.

        Raises:
            ServerError: It is not registered, or has no worker that is ready.
        """
        with self._changing() as state:
            current = self.management.default(name)
            new = self.management.version(name, version)
            if current == version:
                raise ServerError(f"{name} {version} is the default already")
            archive = self._archive(state, new)
            verdicts = list(self._gates(archive, current))
            passed = all(verdict.passed for verdict in verdicts)
            figures: dict[str, Any] = {"gates": [verdict.as_dict() for verdict in verdicts], "from": current}
            if not passed and not force:
                self._note(state, Event.now("refuse", name, version, archive.sha256, figures=figures))
                return verdicts, False
            state = self._match_workers(state, new, self.management.version(name, current))
            self.management.set_default(name, version)
            event = Event.now(
                "promote", name, version, archive.sha256, is_default=True, figures=figures | {"forced": not passed}
            )
            self._note(state.with_default(name, version), event)
            return verdicts, True

    def rollback(self, name: str) -> Event:
        """Let the version before the current default answer again; loaded from the store if it was removed.

        Raises:
            RecipeError: Its archive is gone or has changed.
            ServerError: There is none before it, or it cannot be loaded.
        """
        with self._changing() as state:
            current = self.management.default(name)
            before = history.defaults(history.read(self.server.history_file), name)
            while before and before[-1].version == current:
                before.pop()
            if not before:
                raise ServerError(f"{name} {current} is the first default that {self.server.history_file} knows")
            target = before[-1]
            served = state.version(name, target.version)
            if served is None:
                archive = _still_there(state, target)
                settings = archive.settings
                self._load(archive, settings.startupTimeout, settings.minWorkers)
                state = state.with_version(archive)
            elif served.sha256 != target.sha256:
                raise ServerError(
                    f"{name} {target.version} was built anew since it was the default; promote it, with its gates: "
                    f"scripts/models.py promote {name} {target.version}"
                )
            there = self.management.version(name, target.version)
            if not there.ready:
                raise ServerError(f"{name} {target.version} has no worker that is ready; see {self.server.model_log}")
            if served is None:
                state = self._match_workers(state, there, self.management.version(name, current))
            self.management.set_default(name, target.version)
            event = Event.now(
                "rollback", name, target.version, target.sha256, is_default=True, figures={"from": current}
            )
            self._note(state.with_default(name, target.version), event)
            return event

    def scale(self, name: str, version: str, least: int, most: int, reason: str = "") -> Version:
        """Have between ``least`` and ``most`` workers; comes back when those that are needed are ready.

        Workers are ended one at a time, each at a moment in which it does nothing: TorchServe does not wait for what it
        has in hand.

        Raises:
            ServerError: It is not registered, a worker does not get ready, or the workers are never idle.
        """
        with self._changing() as state:
            now = self.management.version(name, version)
            for count in range(len(now.workers) - 1, most - 1, -1):
                self._await_idle(name, version, now.response_timeout)
                self.management.scale(name, version, min(least, count), count)
            self.management.scale(name, version, least, most)
            self._await_workers(name, version, least, now.response_timeout + IMPORT_SECONDS)
            served = state.version(name, version)
            figures = {"min": least, "max": most} | ({"reason": reason} if reason else {})
            event = Event.now("scale", name, version, served.sha256 if served else "", figures=figures)
            self._note(state.with_workers(name, version, least, most) if served else state, event)
        return self.management.version(name, version)

    def remove(self, name: str, version: str, patience: float, force: bool = False) -> None:
        """Stop serving a version, once nothing of it can be in hand; its archive stays in the store.

        Args:
            name: The model.
            version: A registered version.
            patience: Seconds for clients that ask for it by number to stop.
            force: Take the default version too (the one before it, or else the highest, becomes the default), and a
                version that is still asked for.

        Raises:
            ServerError: It is not registered, is the default, or is still asked for.
        """
        with self._changing() as state:
            self.management.version(name, version)
            others = [one.version for one in self.management.versions(name) if one.version != version]
            if self.management.default(name) == version:
                if not force:
                    raise ServerError(
                        f"{name} {version} is the default: promote another first, or give --force"
                        + ("" if others else f" to end {name} altogether")
                    )
                if others:
                    state = self._hand_over(state, name, others)
            try:
                for quiet in drain(self.management, name, version, patience):
                    self.progress(f"draining {name} {version}: quiet for {quiet:.0f} s")
            except ServerError:
                if not force:
                    raise
            self.management.unregister(name, version)
            served = state.version(name, version)
            event = Event.now("remove", name, version, served.sha256 if served else "")
            self._note(state.without(name, version) if served else state, event)

    @contextmanager
    def _changing(self) -> Iterator[State]:
        """The state, with nobody else changing it."""
        if self.server.process() is None:
            raise ServerError(f"no server is running in {self.server.run}; start it: make serve, or serve.py resume")
        self.progress("waiting for another command to end")
        with locked(self.server.run):
            state = self.server.state()
            if state is None:
                raise ServerError(f"{self.server.state_file} is gone; start the server again: make stop serve")
            yield state

    def _note(self, state: State, event: Event) -> None:
        state.write(self.server.state_file)
        history.append(self.server.history_file, event)

    def _load(self, archive: Archive, startup_timeout: float, workers: int) -> None:
        since = self.server.model_log.stat().st_size if self.server.model_log.exists() else 0
        self.progress(f"registering {archive.name} {archive.version}")
        self.management.register(archive.path.name)
        try:
            self._await_workers(archive.name, archive.version, workers, startup_timeout + IMPORT_SECONDS, since)
        except (ServerError, KeyboardInterrupt):
            self.management.unregister(archive.name, archive.version)
            raise

    def _await_workers(self, name: str, version: str, workers: int, seconds: float, since: int | None = None) -> None:
        deadline = time.monotonic() + seconds
        while True:
            there = self.management.version(name, version)
            self.progress(f"{name} {version}: {there.ready} of {workers} workers ready")
            if there.ready >= workers:
                return
            if since is not None and (failure := load_failure(self.server.model_log, name, version, since)):
                raise ServerError(f"{name} {version} cannot be loaded: {failure} (all of it: {self.server.model_log})")
            if time.monotonic() > deadline:
                raise ServerError(
                    f"{name} {version} has {there.ready} of {workers} workers ready after {seconds:.0f} s; "
                    f"see {self.server.model_log}"
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

    def _gates(self, archive: Archive, current: str) -> Iterator[Verdict]:
        samples = archive.samples()
        client = self.server.client
        self.progress(f"asking {archive.name} {archive.version} beside {current}")
        verdict = gate.smoke(client, archive.name, archive.version, samples[0])
        yield verdict
        if verdict.passed:
            allowed = archive.settings.handler.gate
            yield from gate.compare(client, archive.name, current, archive.version, samples, allowed)

    def _match_workers(self, state: State, new: Version, current: Version) -> State:
        """Give a version as many workers as the one that it replaces has."""
        least, most = max(new.min_workers, current.min_workers), max(new.max_workers, current.max_workers)
        if (least, most) == (new.min_workers, new.max_workers):
            return state
        self.management.scale(new.name, new.version, least, most)
        self._await_workers(new.name, new.version, least, IMPORT_SECONDS * 2)
        return state.with_workers(new.name, new.version, least, most)

    def _hand_over(self, state: State, name: str, others: list[str]) -> State:
        """Make another version the default: the last one that was, or else the highest."""
        known = [event.version for event in history.defaults(history.read(self.server.history_file), name)]
        heir = next((one for one in reversed(known) if one in others), None) or others[-1]
        self.management.set_default(name, heir)
        sha256 = state.models[name].versions[heir].sha256
        event = Event.now("promote", name, heir, sha256, is_default=True, figures={"forced": True})
        state = state.with_default(name, heir)
        self._note(state, event)
        return state

    def _archive(self, state: State, version: Version) -> Archive:
        if state.version(version.name, version.version) is None:
            raise ServerError(
                f"{version.name} {version.version} was registered by other means and would be gone after a restart; "
                f"first: scripts/models.py remove {version.name} {version.version}, then register its archive"
            )
        return Archive(state.store / version.archive, version.name, version.version)


def _place(archive: Archive, store: Path) -> tuple[Archive, bool]:
    """The archive in the model store, and whether it was put there just now."""
    placed = Archive(store / f"{archive.name}-{archive.version}.mar", archive.name, archive.version)
    if placed.path == archive.path:
        return placed, False
    if placed.path.exists():
        if placed.sha256 == archive.sha256:
            return placed, False
        raise RecipeError(
            f"{placed.path} is another {archive.name} {archive.version}; a version has one content: give the new one a "
            "higher `handler: version:` in its model-config.yaml and build it again"
        )
    partial = store / f".registering-{placed.path.name}"
    try:
        shutil.copyfile(archive.path, partial)
        partial.replace(placed.path)
    finally:
        partial.unlink(missing_ok=True)
    return placed, True


def _still_there(state: State, event: Event) -> Archive:
    """The archive that was served then.

    Raises:
        RecipeError: It is gone, or another one.
    """
    archive = Archive(state.store / f"{event.model}-{event.version}.mar", event.model, event.version)
    if not archive.path.exists() or archive.sha256 != event.sha256:
        raise RecipeError(
            f"{archive.path} is {'another archive now' if archive.path.exists() else 'gone'}; put back the one with "
            f"sha256 {event.sha256}"
        )
    return archive
