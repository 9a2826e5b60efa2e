"""A machine is watched after its promotion; its first fault stops the change before the next machine."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.fleets import MemoryMachine, memory_fleet
from vqaops.errors import ServerError
from vqaops.fleet.bake import Bake
from vqaops.fleet.change import OnFailure
from vqaops.rollout.operations import Report

NEW = ["shapes", "1.1.0"]
BAKE = Bake(seconds=0.05, interval=0.01)


def watched(folder: Path, prepare: Callable[[MemoryMachine], None]) -> tuple[list[Report], list[MemoryMachine]]:
    fleet, machines = memory_fleet(folder)
    prepare(machines[1])
    return list(fleet.promote(NEW, False, OnFailure.ROLLBACK, BAKE)), machines


def one_worker_less(machine: MemoryMachine) -> None:
    machine.ready = 0


def another_default(machine: MemoryMachine) -> None:
    machine.after = lambda word: machine.defaults.append("1.2.0") if word == "promote" else None


def failing(machine: MemoryMachine) -> None:
    machine.failed = itertools.count(7).__next__


def restarted(machine: MemoryMachine) -> None:
    machine.failed = itertools.count(7, -1).__next__


def away(machine: MemoryMachine) -> None:
    def lose() -> int:
        if "promote" in machine.asked:
            raise ServerError("it does not answer")
        return 0

    machine.failed = lose


def silent(machine: MemoryMachine) -> None:
    machine.failed = lambda: None  # type: ignore[assignment,return-value]


def test_a_machine_without_a_fault_is_watched_and_then_the_next_one_is_changed(tmp_path: Path):
    reports, machines = watched(tmp_path, lambda machine: None)
    assert reports[-1].succeeded
    assert [one.fields["bake"] for one in reports if "bake" in one.fields] == [0.05] * 3
    assert [machine.default for machine in machines] == ["1.1.0"] * 3


@pytest.mark.parametrize(
    ("prepare", "fault"),
    [
        (failing, "1 request failed with 5xx since the promotion"),
        (restarted, "TorchServe was restarted"),
        (silent, "do not say how many requests failed"),
        (one_worker_less, "has no ready worker"),
    ],
)
def test_the_first_fault_stops_the_fleet_and_takes_the_watched_machine_back(
    tmp_path: Path, prepare: Callable[[MemoryMachine], None], fault: str
):
    reports, machines = watched(tmp_path, prepare)
    assert reports[-1].fields["stopped_at"] == "b"
    assert reports[-1].fields["finished"]
    assert any(fault in str(line) for report in reports for line in report.lines)
    assert [machine.asked for machine in machines] == [["promote", "rollback"], ["promote", "rollback"], []]
    assert [machine.default for machine in machines] == ["1.0.0"] * 3


def test_a_machine_that_no_longer_answers_stops_the_fleet(tmp_path: Path):
    reports, machines = watched(tmp_path, away)
    assert reports[-1].fields["stopped_at"] == "b"
    assert not reports[-1].fields["finished"]
    assert machines[2].asked == []


def test_a_default_that_somebody_else_changed_stops_the_fleet(tmp_path: Path):
    reports, machines = watched(tmp_path, another_default)
    assert reports[-1].fields["stopped_at"] == "b"
    assert machines[2].asked == []


def test_a_command_that_was_interrupted_while_it_watched_watches_that_machine_again(tmp_path: Path):
    fleet, machines = memory_fleet(tmp_path)

    def interrupt() -> int:
        if machines[1].default == "1.1.0":
            raise KeyboardInterrupt
        return 0

    machines[1].failed = interrupt
    with pytest.raises(ServerError, match="interrupted; go on: "):
        list(fleet.promote(NEW, False, OnFailure.ROLLBACK, BAKE))
    machines[1].failed = lambda: 0
    reports = list(fleet.promote(NEW, False, OnFailure.ROLLBACK, BAKE))
    assert reports[-1].succeeded
    assert [one.fields["machine"] for one in reports if "bake" in one.fields] == ["b", "c"]
    assert machines[1].asked == ["promote"]
