"""The operations of ``scripts/models.py --fleet``: each changes one machine after another, and stops at a failure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from rich.console import RenderableType
from rich.markup import escape

from vqaops.errors import ServerError
from vqaops.files import locked
from vqaops.fleet import listing
from vqaops.fleet.bake import NO_BAKE, Bake
from vqaops.fleet.change import DefaultChange, OnFailure, fleet_line, machine_report
from vqaops.fleet.machine import FAULTS, Look, Machine, ThisMachine
from vqaops.fleet.settings import FleetSettings, MachineSettings
from vqaops.fleet.ssh import SshMachine
from vqaops.paths import resolved, short_path
from vqaops.rollout.operations import Operations, Report, parse_target
from vqaops.rollout.rollout import Rollout
from vqaops.server.server import Server
from vqaops.store import checksums
from vqaops.store.archive import Archive

_PATIENCE = 60
"""Seconds for which clients may go on naming a version whose registration was interrupted."""


@dataclass(frozen=True, slots=True)
class Fleet:
    """Operations on a model's versions on all machines of a fleet.

    Attributes:
        file: The fleet's file; the journal is beside it.
        machines: The machines, in the order in which they are changed.
        progress: Shows what is being waited for.
    """

    file: Path
    machines: Sequence[Machine]
    progress: Callable[[str], None]

    @classmethod
    def read(cls, file: Path, progress: Callable[[str], None]) -> Fleet:
        """The fleet in a file such as ``fleet.yaml``.

        Raises:
            RecipeError: The file is missing, or does not validate.
        """
        settings = FleetSettings.read(file)
        return cls(file, [_machine(one, progress) for one in settings.machines], progress)

    @property
    def change(self) -> DefaultChange:
        """Changes of defaults."""
        journal = self.file.with_name(f"{self.file.stem}.journal.json")
        command = f"scripts/models.py --fleet {short_path(self.file)}"
        return DefaultChange(self.machines, journal, command, self.progress)

    def list(self) -> Iterator[Report]:
        """What each machine serves; it fails if a machine does not answer or defaults differ."""
        looks, unfinished = listing.look_at_all(self.machines), self.change.unfinished()
        faults = {name: one for name, one in looks.items() if isinstance(one, str)}
        apart = [model for model in listing.models(looks) if listing.differ(looks, model)]
        lines: list[RenderableType] = [listing.table(looks)]
        lines += [fleet_line(looks, model) for model in apart]
        lines += [f"[red]{escape(line)}[/]" for line in listing.unrecorded(looks)]
        lines += [f"[red]{name} does not answer:[/] {escape(one)}" for name, one in faults.items()]
        if unfinished:
            lines.append(f"[red]{escape(unfinished.title)} is not finished;[/] {self.change.advice(unfinished)}")
        fields = {
            "machines": listing.as_dict(looks),
            "differ": apart,
            "unfinished": unfinished.model_dump(mode="json") if unfinished else None,
        }
        yield Report(fields, lines, succeeded=not faults and not apart)

    def register(self, archive: Path, signers: Path | None, measures: bool) -> Iterator[Report]:
        """Serve an archive beside the running versions; machines that have it already are not asked."""
        given = Archive.read(resolved(archive))
        sha256 = checksums.check(given.path, signers)
        name, version = given.name, given.version
        with self._changing() as looks:
            for machine, look in looks.items():
                known = look.version(name, version)
                if known and known.sha256 not in {"", sha256}:
                    raise ServerError(f"{machine} serves another {name} {version}; give the new one a higher version")

            def register(machine: Machine) -> Report:
                if (known := machine.look().version(name, version)) and not known.sha256:  # killed before its record
                    machine.remove(name, version, _PATIENCE, False)
                return machine.register(given.path, signers, measures)

            def has_it(look: Look) -> bool:
                known = look.version(name, version)
                return known is not None and known.sha256 == sha256

            yield from self._on_each(f"{name} {version} is registered", has_it, register)
            yield self._next(name, version)

    def promote(
        self, target: Sequence[str], force: bool, on_failure: OnFailure, bake: Bake = NO_BAKE
    ) -> Iterator[Report]:
        """Make a version the default on one machine after another, each through its gates, and watch it there."""
        with self._changing() as looks:
            name, version = parse_target(target, lambda: _only_model(looks))
            known = {machine: look.version(name, version) for machine, look in looks.items()}
            if missing := [machine for machine, one in known.items() if one is None or not one.sha256]:
                raise ServerError(f"{name} {version} is not registered on {', '.join(missing)}; register it first")
            if len({one.sha256 for one in known.values() if one}) > 1:
                raise ServerError(f"the machines serve different archives as {name} {version}; register a new version")
            journal = self.change.begin("promote", name, version, looks)
            if not self.change.unfinished() and all(look.is_at(name, version) for look in looks.values()):
                raise ServerError(f"{name} {version} is already the default on every machine")
            yield from self.change.do(journal, lambda machine: machine.promote(name, version, force), on_failure, bake)

    def rollback(self, model: str | None, to: str | None) -> Iterator[Report]:
        """Take an unfinished promotion back; or else make the default before the present one the default again."""
        with self._changing() as looks:
            name, change = model or _only_model(looks), self.change
            found = change.unfinished()
            if found and found.model == name and found.action == "promote":
                if to:
                    raise ServerError(f"{found.title} is not finished; {change.advice(found)}, without --to")
                now = listing.default_of(looks, name)
                before = {machine: version for machine, version in now.items() if version}
                yield from change.undo(found.with_machines(before))
                return
            if found and found.model == name:
                to = found.version
            to = to or _common_previous(looks, name)
            for machine, look in looks.items():
                default = look.defaults.get(name)
                if default and not look.is_at(name, to) and default.previous != to:
                    raise ServerError(f"{machine}: a rollback of {name} leads to {default.previous}, not to {to}")
            journal = change.begin("rollback", name, to, looks)
            yield from change.do(journal, lambda machine: machine.rollback(name, to), OnFailure.STOP)

    def remove(self, target: Sequence[str], patience: float, force: bool) -> Iterator[Report]:
        """Stop serving a version; machines that do not have it are not asked."""
        with self._changing() as looks:
            name, version = parse_target(target, lambda: _only_model(looks))
            if found := self.change.unfinished():
                raise ServerError(f"{found.title} is not finished; {self.change.advice(found)}")
            default = [machine for machine, one in listing.default_of(looks, name).items() if one == version]
            if default and not force:
                raise ServerError(
                    f"{name} {version} is the default on {', '.join(default)}: promote another version first, "
                    "or give --force"
                )
            yield from self._on_each(
                f"{name} {version} is removed",
                lambda look: look.version(name, version) is None,
                lambda machine: machine.remove(name, version, patience, force),
            )

    def _on_each(
        self, goal: str, reached: Callable[[Look], bool], ask: Callable[[Machine], Report]
    ) -> Iterator[Report]:
        """Ask each machine that has not reached the goal; a failure ends it, and is the last report."""
        done: list[str] = []
        for machine in self.machines:
            self.progress(f"{machine.name}: until {goal}")
            line, fields = f"{goal} already", {}
            try:
                if not reached(machine.look()):
                    line, fields = goal, dict(ask(machine).fields)
            except FAULTS as error:
                look = listing.look_at_all([machine])[machine.name]
                if not (isinstance(look, Look) and reached(look)):  # else another command did it meanwhile
                    where = ", ".join(done) or "no machine"
                    raise ServerError(f"{machine.name}: {error}. {goal} on: {where}; run it again to go on") from None
            done.append(machine.name)
            yield machine_report(machine, fields, [line])

    def _next(self, name: str, version: str) -> Report:
        """What the fleet has after a registration."""
        looks = listing.look_at_all(self.machines)
        lines = [fleet_line(looks, name), f"Next: {self.change.command} promote {name} {version}"]
        same = set(listing.default_of(looks, name).values()) == {version}
        fields = {"model": name, "version": version, "defaults": listing.default_of(looks, name)}
        return Report(fields, lines[:1] if same else lines)

    @contextmanager
    def _changing(self) -> Iterator[Mapping[str, Look]]:
        """What all machines serve, under the lock of the fleet's file; Ctrl-C ends in one line.

        Raises:
            ServerError: A machine does not answer.
        """
        self.progress("waiting for another command to finish")
        with locked(self.file):
            self.progress("asking every machine what it serves")
            try:
                yield listing.look_before(self.machines)
            except KeyboardInterrupt:
                found = self.change.unfinished()
                raise ServerError(f"interrupted; {self.change.advice(found) if found else 'run it again'}") from None


def _machine(settings: MachineSettings, progress: Callable[[str], None]) -> Machine:
    if settings.ssh:
        return SshMachine(settings.name, settings.ssh, settings.project, settings.run)
    server = Server(resolved(settings.run))
    return ThisMachine(settings.name, Operations(Rollout(server, lambda text: progress(f"{settings.name}: {text}"))))


def _only_model(looks: Mapping[str, Look]) -> str:
    names = listing.models(looks)
    if len(names) != 1:
        raise ServerError(f"name the model; the fleet has: {', '.join(names) or 'none'}")
    return names[0]


def _common_previous(looks: Mapping[str, Look], name: str) -> str:
    """The version that a rollback leads to on every machine."""
    previous = {
        machine: look.defaults[name].previous if name in look.defaults else None for machine, look in looks.items()
    }
    versions = set(previous.values())
    if len(versions) == 1 and (version := versions.pop()):
        return version
    each = ", ".join(f"{one or 'nothing'} on {machine}" for machine, one in previous.items())
    raise ServerError(
        f"a rollback of {name} leads to different versions: {each}. Nothing was changed; name one: --to VERSION"
    )
