"""Archives are registered on, and versions removed from, one machine after another; done ones are not asked again."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.fleets import memory_fleet
from tests.support.recipes import RecipeMaker
from vqaops.building.build import build
from vqaops.errors import ServerError
from vqaops.store.archive import Archive


@pytest.fixture(scope="module")
def archive(make_recipe: RecipeMaker, tmp_path_factory: pytest.TempPathFactory) -> Archive:
    """The archive of ``shapes`` 1.0.0, whose version the machines of these tests do not serve."""
    return build(make_recipe("shapes"), tmp_path_factory.mktemp("store"))


def test_register_stops_at_the_machine_that_refuses_and_goes_on_there(tmp_path: Path, archive: Archive):
    fleet, machines = memory_fleet(tmp_path)
    for machine in machines:
        machine.served, machine.defaults = {"0.9.0": "a"}, ["0.9.0"]

    def refuse(word: str) -> None:
        raise ServerError("no room")

    machines[1].before = refuse
    with pytest.raises(ServerError, match=r"b: no room\. shapes 1\.0\.0 is registered on: a; run it again"):
        list(fleet.register(archive.path, None, True))
    machines[1].before = lambda word: None
    *_, done = fleet.register(archive.path, None, True)
    assert done.succeeded
    assert done.fields["defaults"] == dict.fromkeys("abc", "0.9.0")
    assert [machine.asked for machine in machines] == [["register"], ["register", "register"], ["register"]]


def test_a_registration_that_was_killed_is_done_again(tmp_path: Path, archive: Archive):
    fleet, (machine,) = memory_fleet(tmp_path, 1)
    machine.served, machine.defaults = {"0.9.0": "a", "1.0.0": ""}, ["0.9.0"]
    list(fleet.register(archive.path, None, True))
    assert machine.asked == ["remove", "register"]
    assert machine.served["1.0.0"] == archive.sha256


def test_an_archive_that_a_machine_serves_with_other_content_is_refused_at_once(tmp_path: Path, archive: Archive):
    fleet, machines = memory_fleet(tmp_path)
    machines[0].served.pop("1.0.0")
    with pytest.raises(ServerError, match=r"b serves another shapes 1\.0\.0"):
        list(fleet.register(archive.path, None, True))
    assert machines[0].asked == []


def test_remove_asks_only_the_machines_that_have_the_version(tmp_path: Path):
    fleet, machines = memory_fleet(tmp_path)
    machines[0].served.pop("0.9.0")
    lines = [line for report in fleet.remove(["shapes", "0.9.0"], 1, False) for line in report.lines]
    assert lines[0] == "[bold]a[/]  shapes 0.9.0 is removed already"
    assert [machine.asked for machine in machines] == [[], ["remove"], ["remove"]]
