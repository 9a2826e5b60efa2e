"""Two real servers as a fleet: a gate that fails on the second, a command that is killed half-way, and the way back."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.recipes import RecipeMaker
from tests.support.rollout import ModelsCommand, versioned
from tests.support.servers import BRIEF
from tests.support.ssh import program, ssh_here
from vqaops.fleet.bake import Bake
from vqaops.fleet.change import OnFailure
from vqaops.fleet.machine import ThisMachine
from vqaops.fleet.operations import Fleet
from vqaops.paths import ROOT
from vqaops.rollout.operations import Report
from vqaops.server.own_server import own_server
from vqaops.server.server import Server
from vqaops.store.archive import Archive

OTHER_ANSWERS = {': {query.question}"': ': {query.question}!"'}
NEW = ["dummy", "1.1.0"]


@pytest.fixture
def pair(
    serve_for_test: Callable[..., Server], make_recipe: RecipeMaker, run_folder: Callable[[], Path], tmp_path: Path
) -> Iterator[list[ModelsCommand]]:
    """Two servers of ``dummy`` 1.0.0; the second one's answers are others."""
    first = ModelsCommand(serve_for_test(versioned(make_recipe, "1.0.0")), make_recipe, tmp_path / "first")
    second = ModelsCommand(first.server, make_recipe, tmp_path / "second")
    archive = Archive.read(second.archive("1.0.0", OTHER_ANSWERS))
    with own_server([archive], run_folder() / "run", **BRIEF) as server:
        yield [first, ModelsCommand(server, make_recipe, tmp_path / "third")]


def fleet_file(folder: Path, pair: list[ModelsCommand], ssh: str = "") -> Path:
    runs = [models.server.run for models in pair]
    file = folder / "fleet.yaml"
    file.write_text(f"machines:\n- {{name: one, run: {runs[0]}}}\n- {{name: two, run: {runs[1]}{ssh}}}\n")
    return file


@contextmanager
def fleet_of(file: Path) -> Iterator[Fleet]:
    fleet = Fleet.read(file, lambda text: None)
    yield fleet
    for machine in fleet.machines:
        if isinstance(machine, ThisMachine):
            machine.operations.rollout.server.client.http.close()


def last(reports: Iterator[Report]) -> Report:
    return list(reports)[-1]


def actions(models: ModelsCommand) -> list[str]:
    return [change["action"] for change in models.history() if change["version"] == "1.1.0"]


def test_a_fleet_is_never_left_mixed_in_silence(
    pair: list[ModelsCommand], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    file = fleet_file(tmp_path, pair)
    with fleet_of(file) as fleet:
        assert last(fleet.register(pair[0].archive("1.1.0"), None, True)).succeeded

        refused = last(fleet.promote(NEW, False, OnFailure.ROLLBACK))
        assert not refused.succeeded
        assert [refused.fields[key] for key in ("stopped_at", "differ", "finished")] == ["two", False, True]
        assert refused.fields["defaults"] == {"one": "1.0.0", "two": "1.0.0"}
        assert actions(pair[0])[-1] == "promote"
        assert pair[0].history()[-1]["action"] == "rollback"
        assert actions(pair[1])[-1] == "refuse"

    # The second machine is now behind ssh, whose command goes on when this side is killed.
    program(tmp_path / "project" / ".venv" / "bin" / "python", f'#!/bin/sh\nexec {sys.executable} "$@"\n')
    (tmp_path / "project" / "scripts").symlink_to(ROOT / "scripts")
    monkeypatch.setenv("PATH", f"{ssh_here(tmp_path / 'bin')}:{os.environ['PATH']}")
    fleet_file(tmp_path, pair, f", ssh: two.lan, project: {tmp_path / 'project'}")
    command = [sys.executable, str(ROOT / "scripts" / "models.py"), "--fleet", str(file), "promote", *NEW, "--force"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as killed:
        journal, deadline = tmp_path / "fleet.journal.json", time.monotonic() + 60
        while json.loads(journal.read_text())["steps"]["two"]["state"] != "started":
            assert time.monotonic() < deadline, journal.read_text()
            time.sleep(0.01)
        killed.kill()
    with fleet_of(file) as fleet:
        listed = last(fleet.list())
        assert listed.fields["unfinished"]["version"] == "1.1.0"
        assert "is not finished;[/] go on: scripts/models.py --fleet" in str(listed.lines[-1])
        *_, watched, done = fleet.promote(NEW, True, OnFailure.ROLLBACK, Bake(0.1))
    assert (watched.fields["machine"], watched.fields["fault"]) == ("two", "")
    assert done.succeeded
    assert done.fields["defaults"] == {"one": "1.1.0", "two": "1.1.0"}
    assert actions(pair[0]).count("promote") == 2  # with the one that was taken back
    assert actions(pair[1]).count("promote") == 1

    fleet_file(tmp_path, pair)
    with fleet_of(file) as fleet:
        back = last(fleet.rollback("dummy", None))
    assert back.fields["defaults"] == {"one": "1.0.0", "two": "1.0.0"}
