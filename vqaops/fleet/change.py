"""A change of a model's default version on one machine after another, and back."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from pathlib import Path

from rich.markup import escape

from vqaops.errors import ServerError
from vqaops.fleet.bake import NO_BAKE, Bake
from vqaops.fleet.journal import Action, Journal
from vqaops.fleet.listing import default_of, differ, look_at_all, spread
from vqaops.fleet.machine import FAULTS, Look, Machine
from vqaops.rollout.gate import GateResult
from vqaops.rollout.operations import Report, gate_line

Ask = Callable[[Machine], Report]


class OnFailure(StrEnum):
    """What follows a machine that fails.

    Attributes:
        ROLLBACK: The machines that have the new default go back to the one before.
        STOP: They keep it.
    """

    ROLLBACK = "rollback"
    STOP = "stop"


@dataclass(frozen=True, slots=True)
class DefaultChange:
    """Changes defaults, and writes each step into the journal before and after it.

    Attributes:
        machines: The fleet.
        file: The journal's file.
        command: The command line of the fleet, for advice.
        progress: Shows which machine is being changed.
    """

    machines: Sequence[Machine]
    file: Path
    command: str
    progress: Callable[[str], None]

    def unfinished(self) -> Journal | None:
        """The change that was begun and is not over, or None."""
        found = Journal.read(self.file)
        return found if found and not found.ended else None

    def advice(self, journal: Journal) -> str:
        """How an unfinished change is brought to an end."""
        back = f"{self.command} rollback {journal.model}"
        if journal.undoing or journal.action == "rollback":
            return f"go on: {back}"
        return f"go on: {self.command} promote {journal.model} {journal.version}; or back: {back}"

    def begin(self, action: Action, model: str, version: str, looks: Mapping[str, Look]) -> Journal:
        """The journal of a new change, or of the same one that was interrupted.

        Raises:
            ServerError: Another change is not finished, or a machine does not serve the model.
        """
        found = self.unfinished()
        if found and (found.undoing or (found.action, found.model, found.version) != (action, model, version)):
            raise ServerError(f"{found.title} is not finished; {self.advice(found)}")
        if missing := [name for name, look in looks.items() if model not in look.defaults]:
            raise ServerError(f"{', '.join(missing)} does not serve {model}; register a version of it there first")
        before = {name: look.defaults[model].version for name, look in looks.items()}
        return found.with_machines(before) if found else Journal.begin(action, model, version, before)

    def do(self, journal: Journal, ask: Ask, on_failure: OnFailure, bake: Bake = NO_BAKE) -> Iterator[Report]:
        """Change one machine after another; those that have the version already are not asked.

        Args:
            journal: The change.
            ask: Changes one machine.
            on_failure: What follows a machine that fails.
            bake: Watches each machine that was changed, before the next one is.

        Yields:
            A report for each machine, and one for the fleet.
        """
        journal.write(self.file)
        for machine in self.machines:
            look = look_at_all([machine])[machine.name]
            if isinstance(look, str):  # it was there before anything was changed; its step keeps its state
                yield machine_report(machine, {"error": look}, [f"[red]{escape(look)}[/]"], succeeded=False)
                yield from self._failed(journal, machine, on_failure)
                return
            if look.is_at(journal.model, journal.version):
                # If it is "started", the command was interrupted after the change, perhaps while it watched.
                is_new = journal.steps[machine.name].state == "started"
                yield machine_report(machine, {}, [f"{journal.model} {journal.version} is the default already"])
            else:
                is_new = True
                journal = journal.with_step(machine.name, "started").write(self.file)
                report, unchanged = self._asked(machine, journal, ask)
                yield report
                if not report.succeeded:
                    if unchanged:
                        journal = journal.with_step(machine.name, "waiting").write(self.file)
                    yield from self._failed(journal, machine, on_failure)
                    return
            if is_new and bake.seconds:
                report = self._watched(machine, journal, bake)
                yield report
                if not report.succeeded:
                    yield from self._failed(journal, machine, on_failure)
                    return
            journal = journal.with_step(machine.name, "done").write(self.file)
        yield self._summary(journal.model_copy(update={"ended": True}).write(self.file))

    def undo(self, journal: Journal) -> Iterator[Report]:
        """Give each machine that was changed its default of before, the latest first.

        A machine that cannot go back does not stop the others; the change is then not over.
        """
        journal = journal.model_copy(update={"undoing": True}).write(self.file)
        for machine in reversed([one for one in self.machines if one.name in journal.touched]):
            before = journal.steps[machine.name].before
            back = partial(self._back, model=journal.model, to=before)
            report, _ = self._asked(machine, journal, back, goal=before)
            yield report
            if report.succeeded:
                journal = journal.with_step(machine.name, "undone").write(self.file)
        if not journal.touched:
            journal = journal.model_copy(update={"ended": True}).write(self.file)
        yield self._summary(journal)

    def _watched(self, machine: Machine, journal: Journal, bake: Bake) -> Report:
        fault = bake.fault(machine, journal.model, journal.version, self.progress)
        verdict = f"[red]{escape(fault)}[/]" if fault else f"no fault in {bake.seconds:g} s"
        return machine_report(machine, {"bake": bake.seconds, "fault": fault}, [verdict], not fault)

    def _failed(self, journal: Journal, machine: Machine, on_failure: OnFailure) -> Iterator[Report]:
        if on_failure is OnFailure.ROLLBACK:
            *reports, last = self.undo(journal)
            yield from reports
        else:
            if not journal.touched:
                journal = journal.model_copy(update={"ended": True}).write(self.file)
            last = self._summary(journal)
        lines = [f"[red]{escape(journal.title)} stopped at {machine.name}[/]", *last.lines]
        yield Report({**last.fields, "stopped_at": machine.name}, lines, succeeded=False)

    def _asked(self, machine: Machine, journal: Journal, ask: Ask, goal: str = "") -> tuple[Report, bool]:
        """A machine's report, and whether it is certain that a failure has changed nothing there.

        A command that lost its connection may have succeeded. So a machine that fails is looked at once more.
        """
        goal = goal or journal.version
        self.progress(f"{machine.name}: {journal.title}")
        try:
            done = ask(machine)
        except FAULTS as error:
            failure = str(error)
        else:
            lines = [gate_line(GateResult(**one)) for one in done.fields.get("gates", ())]
            verdict = f"{journal.model} {goal} is the default" if done.succeeded else "[red]its default is unchanged[/]"
            return machine_report(machine, done.fields, [*lines, verdict], done.succeeded), True
        look = look_at_all([machine])[machine.name]
        reached = isinstance(look, Look) and look.is_at(journal.model, goal)
        before = journal.steps[machine.name].before
        unchanged = isinstance(look, Look) and look.is_at(journal.model, before)
        state = f"{journal.model} {goal} is the default all the same" if reached else ""
        lines = [f"[red]{escape(failure)}[/]", *([state] if state else [])]
        return machine_report(machine, {"error": failure}, lines, reached), unchanged

    @staticmethod
    def _back(machine: Machine, model: str, to: str) -> Report:
        if machine.look().is_at(model, to):  # it never changed, or went back before an interruption
            return Report({"model": model, "default": to}, ())
        return machine.rollback(model, to)

    def _summary(self, journal: Journal) -> Report:
        """What the whole fleet has now."""
        model, looks = journal.model, look_at_all(self.machines)
        fields = {
            "model": model,
            "version": journal.version,
            "defaults": default_of(looks, model),
            "differ": differ(looks, model),
            "finished": journal.ended,
        }
        lines = [fleet_line(looks, model)]
        if not journal.ended:
            lines.append(f"[red]{escape(journal.title)} is not finished;[/] {self.advice(journal)}")
        elif journal.action == "promote" and not journal.undoing and journal.touched:
            lines.append(f"Back: {self.command} rollback {model}")
        return Report(fields, lines, succeeded=journal.ended)


def machine_report(
    machine: Machine, fields: Mapping[str, object], lines: Sequence[str], succeeded: bool = True
) -> Report:
    """A report on one machine, whose name begins each line."""
    marked = [f"[bold]{machine.name}[/]  {line}" for line in lines]
    return Report({"machine": machine.name, "succeeded": succeeded, **fields}, marked, succeeded)


def fleet_line(looks: Mapping[str, Look | str], model: str) -> str:
    """One line on a model's defaults; marked if they differ."""
    if differ(looks, model):
        return f"[red]the defaults of {model} differ:[/] {escape(spread(looks, model))}"
    return f"[green]{model}:[/] {escape(spread(looks, model))}"
