"""Changes to the versions of a running server, each recorded in the server's state and history."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vqaops.calibrating.calibrate import Calibrator
from vqaops.errors import ServerError
from vqaops.files import locked
from vqaops.paths import resolved
from vqaops.rollout import gate
from vqaops.rollout.defaults import checked_target
from vqaops.rollout.drain import drain
from vqaops.rollout.gate import GateResult
from vqaops.rollout.workers import Progress, Workers
from vqaops.server.management import Management, RegisteredVersion
from vqaops.server.server import Server
from vqaops.store import checksums, history
from vqaops.store.archive import Archive
from vqaops.store.history import Change
from vqaops.store.model_store import find_again, find_registered, place
from vqaops.store.state import State


@dataclass(frozen=True)
class Rollout:
    """The versions of one running server.

    Attributes:
        server: The server; it must run.
        progress: Shows what is being waited for.
    """

    server: Server
    progress: Progress

    @property
    def management(self) -> Management:
        """The server's management API."""
        return Management(self.server.client)

    @property
    def workers(self) -> Workers:
        """The server's workers."""
        return Workers(self.management, self.server.model_log, self.progress)

    def only_model(self) -> str:
        """The model that is meant if none is named.

        Raises:
            ServerError: The server has no model, or several.
        """
        names = list(self.management.models())
        if len(names) != 1:
            raise ServerError(f"name the model; the server has: {', '.join(names) or 'none'}")
        return names[0]

    def register(
        self, path: Path, signers: Path | None = None, measures: bool = True
    ) -> tuple[RegisteredVersion, GateResult]:
        """Serve an archive beside the running version, and ask it its first sample.

        Clients are not sent to the new version, unless the model is new to the server: then it is the default at once.

        Args:
            path: The archive.
            signers: OpenSSH's ``allowed_signers``, one of whom must have signed the list beside the archive.
            measures: Whether an archive that says ``auto`` is calibrated first.

        Returns:
            The version, and the result of asking it.

        Raises:
            RecipeError: The archive is damaged, is not the one that the list beside it names, or its version is in the
                store with other content.
            ServerError: The archive cannot be loaded or does not answer; it is not registered then.
        """
        archive = Archive.read(resolved(path))
        samples = archive.samples()
        sha256 = checksums.check(archive.path, signers)
        with self._changing() as state:
            placed, is_new = place(archive, state.store)
            try:
                Calibrator(self.server.folder, self.progress, self.progress, measures).calibrate([placed])
                with self.workers.loading(placed):
                    result = gate.smoke(self.server.client, archive.name, archive.version, samples[0])
                    if not result.passed:
                        raise ServerError(f"{archive.name} {archive.version} does not answer: {result.measured}")
                    if is_new:
                        checksums.record(placed.path)
                    is_default = archive.name not in state.models
                    change = Change.now("register", archive.name, archive.version, sha256, is_default=is_default)
                    self._record(state.with_version(placed), change)
            except BaseException:  # Ctrl-C too: only what is recorded stays
                if is_new:
                    placed.path.unlink()
                raise
        return self.management.version(archive.name, archive.version), result

    def promote(self, name: str, version: str, force: bool = False) -> tuple[list[GateResult], bool]:
        """Make a registered version the default if it passes its gates.

        It gets at least as many workers as the version that it replaces. That one goes on running, so that a rollback
        is a single call.

        Args:
            name: The model.
            version: A registered version.
            force: Promote it even if a gate fails; the history records that.

        Returns:
            The results of the gates, and whether the version was promoted.

        Raises:
            ServerError: The version is not registered, has no ready worker, is already the default, or its archive was
                removed or built again since it was registered.
        """
        with self._changing() as state:
            answering, recorded = self.management.default(name), state.default(name)
            new = self.management.version(name, version)
            # They differ after a promotion that was killed before it was recorded: it is done again.
            current = recorded if recorded and answering == version else answering
            if current == version:
                raise ServerError(f"{name} {version} is already the default")
            archive = self._archive(state, new)
            results = list(self._gates(archive, current))
            passed = all(result.passed for result in results)
            figures: dict[str, Any] = {"gates": [result.as_dict() for result in results], "from": current}
            if not passed and not force:
                self._record(state, Change.now("refuse", name, version, archive.sha256, figures=figures))
                return results, False
            state = self._match_workers(state, new, self.management.version(name, current))
            self.management.set_default(name, version)
            change = Change.now(
                "promote", name, version, archive.sha256, is_default=True, figures=figures | {"forced": not passed}
            )
            self._record(state.with_default(name, version), change)
            return results, True

    def rollback(self, name: str, to: str | None = None) -> Change:
        """Make the previous default the default again; it is loaded from the store if it was removed.

        Args:
            name: The model.
            to: The version that the caller takes for the previous default; None for any.

        Raises:
            RecipeError: Its archive is missing or has changed.
            ServerError: There is no previous default, it is another one than ``to``, or it cannot be loaded.
        """
        with self._changing() as state:
            current = self.management.default(name)
            target = checked_target(self.server, name, current, state.default(name), to)
            served = state.version(name, target.version)
            if served is None:
                state = self._serve_again(state, target)
            elif served.sha256 != target.sha256:
                raise ServerError(
                    f"{name} {target.version} was built again since it was the default; promote it through its gates: "
                    f"scripts/models.py promote {name} {target.version}"
                )
            there = self.management.version(name, target.version)
            if not there.ready:
                raise ServerError(f"{name} {target.version} has no ready worker; see {self.server.model_log}")
            if served is None:
                state = self._match_workers(state, there, self.management.version(name, current))
            self.management.set_default(name, target.version)
            change = Change.now(
                "rollback", name, target.version, target.sha256, is_default=True, figures={"from": current}
            )
            self._record(state.with_default(name, target.version), change)
            return change

    def scale(self, name: str, version: str, least: int, most: int, reason: str = "") -> RegisteredVersion:
        """Set the number of workers of a version, and return when ``least`` of them are ready.

        Raises:
            ServerError: The version is not registered, a worker does not get ready, or the workers are never idle.
        """
        with self._changing() as state:
            self.workers.scale(name, version, least, most)
            served = state.version(name, version)
            figures = {"min": least, "max": most} | ({"reason": reason} if reason else {})
            change = Change.now("scale", name, version, served.sha256 if served else "", figures=figures)
            self._record(state.with_workers(name, version, least, most) if served else state, change)
        return self.management.version(name, version)

    def remove(self, name: str, version: str, patience: float, force: bool = False) -> None:
        """Stop serving a version once it can have no request left; its archive stays in the store.

        Args:
            name: The model.
            version: A registered version.
            patience: Seconds for which clients may go on naming the version.
            force: Remove even a version that clients still name, and even the default; then the previous default, or
                else the highest version, becomes the default.

        Raises:
            ServerError: The version is not registered, is the default, or is still named by clients.
        """
        with self._changing() as state:
            self.management.version(name, version)
            others = len(self.management.versions(name)) > 1
            if self.management.default(name) == version:
                if not force:
                    raise ServerError(
                        f"{name} {version} is the default: promote another version first, or give --force"
                        + ("" if others else f" to end {name} altogether")
                    )
                if others:
                    state = self._hand_over(state, name, version)
            try:
                for quiet in drain(self.management, name, version, patience):
                    self.progress(f"draining {name} {version}: quiet for {quiet:.0f} s")
            except ServerError:
                if not force:
                    raise
            self.management.unregister(name, version)
            served = state.version(name, version)
            change = Change.now("remove", name, version, served.sha256 if served else "")
            self._record(state.without(name, version) if served else state, change)

    @contextmanager
    def _changing(self) -> Iterator[State]:
        """The state, under the lock of the run folder."""
        if self.server.process() is None:
            raise ServerError(f"no server is running in {self.server.run}; start it: make serve, or serve.py resume")
        self.progress("waiting for another command to finish")
        with locked(self.server.run):
            state = self.server.state()
            if state is None:
                raise ServerError(f"{self.server.state_file} is missing; restart the server: make stop serve")
            yield state

    def _record(self, state: State, change: Change) -> None:
        history.append(self.server.history_file, change)
        state.write(self.server.state_file)

    def _gates(self, archive: Archive, current: str) -> Iterator[GateResult]:
        samples = archive.samples()
        client = self.server.client
        self.progress(f"asking {archive.name} {archive.version} beside {current}")
        result = gate.smoke(client, archive.name, archive.version, samples[0])
        yield result
        if result.passed:
            allowed = archive.settings.handler.gate
            yield from gate.compare(client, archive.name, current, archive.version, samples, allowed)

    def _serve_again(self, state: State, target: Change) -> State:
        """Load a version that was removed, or take over one that an interrupted rollback left loaded."""
        archive = find_again(state.store, target)
        state = state.with_version(archive)
        registered = {one.version: one.archive for one in self.management.versions(target.model)}
        if target.version not in registered:
            with self.workers.loading(archive):
                state.write(self.server.state_file)
        elif registered[target.version] != archive.path.name:
            raise self._unknown(target.model, target.version)
        return state

    def _match_workers(self, state: State, new: RegisteredVersion, current: RegisteredVersion) -> State:
        """Give a version at least as many workers as the one that it replaces."""
        least, most = max(new.min_workers, current.min_workers), max(new.max_workers, current.max_workers)
        if (least, most) == (new.min_workers, new.max_workers):
            return state
        self.workers.scale(new.name, new.version, least, most)
        return state.with_workers(new.name, new.version, least, most)

    def _hand_over(self, state: State, name: str, version: str) -> State:
        """Make another version the default: the previous default, or else the highest."""
        others = state.without(name, version).models.get(name) if name in state.models else None
        if others is None:
            raise ServerError(
                f"the other versions of {name} were registered by other means, and none can become the default; remove "
                f"them first, then --force ends {name} altogether"
            )
        known = [change.version for change in history.defaults(history.read(self.server.history_file), name)]
        successor = next((one for one in reversed(known) if one in others.versions), others.default)
        self.management.set_default(name, successor)
        sha256 = others.versions[successor].sha256
        change = Change.now("promote", name, successor, sha256, is_default=True, figures={"forced": True})
        state = state.with_default(name, successor)
        self._record(state, change)
        return state

    def _archive(self, state: State, version: RegisteredVersion) -> Archive:
        if (served := state.version(version.name, version.version)) is None:
            raise self._unknown(version.name, version.version)
        return find_registered(state.store, version.name, version.version, served)

    @staticmethod
    def _unknown(name: str, version: str) -> ServerError:
        return ServerError(
            f"{name} {version} was registered by other means and would be missing after a restart; first: "
            f"scripts/models.py remove {name} {version}, then register its archive"
        )
