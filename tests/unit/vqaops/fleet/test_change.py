"""Defaults are changed on one machine after another; a failure or an interruption leaves nothing mixed in silence."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pytest

from tests.support.fleets import MemoryMachine, memory_fleet
from vqaops.errors import ServerError
from vqaops.fleet.change import OnFailure
from vqaops.fleet.journal import Journal
from vqaops.rollout.operations import Report

NEW = ["shapes", "1.1.0"]


def last(reports: Iterable[Report]) -> Report:
    return list(reports)[-1]


def text(report: Report) -> str:
    return "\n".join(map(str, report.lines))


def defaults(machines: list[MemoryMachine]) -> list[str]:
    return [machine.default for machine in machines]


def raising(error: BaseException, word: str):
    def act(asked: str) -> None:
        if asked == word:
            raise error

    return act


def test_a_promotion_changes_every_machine_and_a_rollback_changes_them_back(tmp_path: Path):
    fleet, machines = memory_fleet(tmp_path)
    done = last(fleet.promote(NEW, False, OnFailure.ROLLBACK))
    assert done.succeeded
    assert done.fields["defaults"] == dict.fromkeys("abc", "1.1.0")
    assert "Back: scripts/models.py --fleet" in text(done)
    assert last(fleet.rollback("shapes", None)).succeeded
    assert defaults(machines) == ["1.0.0"] * 3
    assert last(fleet.rollback(None, None)).succeeded
    assert defaults(machines) == ["0.9.0"] * 3


def test_the_first_failing_gate_stops_the_fleet_and_gives_everyone_the_old_default(tmp_path: Path):
    fleet, machines = memory_fleet(tmp_path)
    machines[1].passes = False
    done = last(fleet.promote(NEW, False, OnFailure.ROLLBACK))
    assert not done.succeeded
    assert (done.fields["stopped_at"], done.fields["differ"], done.fields["finished"]) == ("b", False, True)
    assert [machine.asked for machine in machines] == [["promote", "rollback"], ["promote"], []]
    assert defaults(machines) == ["1.0.0"] * 3


def test_a_fleet_that_is_told_to_stop_says_who_has_what_and_goes_on_or_back(tmp_path: Path):
    fleet, machines = memory_fleet(tmp_path)
    machines[1].passes = False
    done = last(fleet.promote(NEW, False, OnFailure.STOP))
    assert not done.succeeded
    assert "the defaults of shapes differ:[/] 1.1.0 on a; 1.0.0 on b, c" in text(done)
    listed = last(fleet.list())
    assert not listed.succeeded
    assert listed.fields["differ"] == ["shapes"]
    assert listed.fields["unfinished"]["steps"]["a"] == {"before": "1.0.0", "state": "done"}
    with pytest.raises(ServerError, match=r"promote shapes 1\.1\.0 is not finished; go on: .*; or back: "):
        last(fleet.promote(["shapes", "0.9.0"], False, OnFailure.STOP))
    with pytest.raises(ServerError, match="is not finished"):
        last(fleet.remove(["shapes", "0.9.0"], 1, False))

    assert last(fleet.promote(NEW, True, OnFailure.STOP)).succeeded  # by force
    assert [machine.asked.count("promote") for machine in machines] == [1, 2, 1]
    assert last(fleet.list()).succeeded


def test_a_rollback_takes_an_unfinished_promotion_back_where_it_was_done(tmp_path: Path):
    fleet, machines = memory_fleet(tmp_path)
    machines[1].passes = False
    last(fleet.promote(NEW, False, OnFailure.STOP))
    assert last(fleet.rollback("shapes", None)).succeeded
    assert defaults(machines) == ["1.0.0"] * 3
    assert "rollback" not in machines[1].asked + machines[2].asked
    assert last(fleet.list()).fields["unfinished"] is None


@pytest.mark.parametrize("when", ["before", "after"])
def test_an_interrupted_promotion_goes_on_and_does_no_machine_twice(tmp_path: Path, when: str):
    fleet, machines = memory_fleet(tmp_path)
    setattr(machines[1], when, raising(KeyboardInterrupt(), "promote"))
    with pytest.raises(ServerError, match=r"interrupted; go on: .* promote shapes 1\.1\.0; or back: "):
        last(fleet.promote(NEW, False, OnFailure.ROLLBACK))
    setattr(machines[1], when, lambda word: None)
    assert last(fleet.list()).fields["differ"] == ["shapes"]
    assert last(fleet.promote(NEW, False, OnFailure.ROLLBACK)).succeeded
    assert defaults(machines) == ["1.1.0"] * 3
    assert machines[0].asked == ["promote"]
    assert machines[1].defaults.count("1.1.0") == 1


def test_an_interrupted_rollback_does_not_go_two_versions_back(tmp_path: Path):
    fleet, machines = memory_fleet(tmp_path)
    last(fleet.promote(NEW, False, OnFailure.ROLLBACK))
    machines[1].after = raising(KeyboardInterrupt(), "rollback")
    with pytest.raises(ServerError, match="interrupted"):
        last(fleet.rollback("shapes", None))
    machines[1].after = lambda word: None
    assert last(fleet.rollback("shapes", None)).succeeded
    assert defaults(machines) == ["1.0.0"] * 3


def test_a_machine_that_does_not_answer_at_the_start_stops_everything(tmp_path: Path):
    fleet, machines = memory_fleet(tmp_path)
    machines[2].away = True
    with pytest.raises(ServerError, match=r"c: it does not answer\. Nothing was changed"):
        last(fleet.promote(NEW, False, OnFailure.ROLLBACK))
    assert all(machine.asked == [] for machine in machines)
    listed = last(fleet.list())
    assert not listed.succeeded
    assert "c does not answer:[/] it does not answer" in text(listed)


def test_a_machine_that_is_lost_on_the_way_is_a_failed_gate(tmp_path: Path):
    fleet, machines = memory_fleet(tmp_path)

    def lose(word: str) -> None:
        machines[2].away = True

    machines[1].after = lose
    done = last(fleet.promote(NEW, False, OnFailure.ROLLBACK))
    assert not done.succeeded
    assert done.fields["finished"]  # it was lost before it was asked
    assert done.fields["defaults"] == {"a": "1.0.0", "b": "1.0.0", "c": None}


def test_a_machine_that_is_lost_while_it_changes_keeps_the_rollback_open_until_it_is_back(tmp_path: Path):
    fleet, machines = memory_fleet(tmp_path)

    def lose(word: str) -> None:
        machines[1].away = True
        raise ServerError("the connection is lost")

    machines[1].after = lose
    done = last(fleet.promote(NEW, False, OnFailure.ROLLBACK))
    assert not done.fields["finished"]
    assert "undoing promote shapes 1.1.0 is not finished;[/] go on: " in text(done)
    assert defaults(machines) == ["1.0.0", "1.1.0", "1.0.0"]
    machines[1].away = False
    with pytest.raises(ServerError, match="undoing promote"):
        last(fleet.promote(NEW, False, OnFailure.ROLLBACK))
    machines[1].after = lambda word: None
    assert last(fleet.rollback("shapes", None)).succeeded
    assert defaults(machines) == ["1.0.0"] * 3


def test_a_change_that_succeeded_although_its_connection_was_lost_counts_as_done(tmp_path: Path):
    fleet, machines = memory_fleet(tmp_path)
    machines[0].after = raising(ServerError("the connection is lost"), "promote")
    assert last(fleet.promote(NEW, False, OnFailure.ROLLBACK)).succeeded
    assert defaults(machines) == ["1.1.0"] * 3


def test_a_fleet_from_which_a_lost_machine_was_taken_out_goes_on(tmp_path: Path):
    fleet, machines = memory_fleet(tmp_path)
    machines[1].passes = False
    last(fleet.promote(NEW, False, OnFailure.STOP))
    smaller = type(fleet)(fleet.file, [machines[0], machines[2]], fleet.progress)
    assert last(smaller.promote(NEW, False, OnFailure.STOP)).succeeded
    assert defaults(machines) == ["1.1.0", "1.0.0", "1.1.0"]


def test_machines_that_had_the_version_before_are_not_taken_back(tmp_path: Path):
    fleet, machines = memory_fleet(tmp_path)
    machines[0].defaults.append("1.1.0")
    machines[2].passes = False
    done = last(fleet.promote(NEW, False, OnFailure.ROLLBACK))
    assert defaults(machines) == ["1.1.0", "1.0.0", "1.0.0"]
    assert done.fields["differ"]
    assert "the defaults of shapes differ" in text(done)


def test_what_cannot_succeed_everywhere_is_refused_before_anything_is_changed(tmp_path: Path):
    fleet, machines = memory_fleet(tmp_path)
    with pytest.raises(ServerError, match="already the default on every machine"):
        last(fleet.promote(["1.0.0"], False, OnFailure.STOP))
    with pytest.raises(ServerError, match="the default on a, b, c"):
        last(fleet.remove(["1.0.0"], 1, False))
    machines[1].served["1.1.0"] = "another"
    with pytest.raises(ServerError, match="different archives"):
        last(fleet.promote(NEW, False, OnFailure.STOP))
    machines[1].served.pop("1.1.0")
    with pytest.raises(ServerError, match=r"1\.1\.0 is not registered on b"):
        last(fleet.promote(NEW, False, OnFailure.STOP))
    machines[1].defaults = ["0.8.0", "1.0.0"]
    with pytest.raises(ServerError, match=r"different versions: 0\.9\.0 on a, 0\.8\.0 on b"):
        last(fleet.rollback("shapes", None))
    with pytest.raises(ServerError, match=r"b: a rollback of shapes leads to 0\.8\.0, not to 0\.9\.0"):
        last(fleet.rollback("shapes", "0.9.0"))
    assert all(machine.asked == [] for machine in machines)


def test_a_journal_that_cannot_be_read_is_named(tmp_path: Path):
    (tmp_path / "fleet.journal.json").write_text("{}")
    with pytest.raises(ServerError, match=r"fleet\.journal\.json is no journal of a fleet"):
        Journal.read(tmp_path / "fleet.journal.json")
