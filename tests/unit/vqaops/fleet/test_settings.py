"""The file of a fleet: paths, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from scripts import models
from vqaops.fleet.settings import FleetSettings
from vqaserve.errors import RecipeError


def written(folder: Path, text: str) -> Path:
    file = folder / "fleet.yaml"
    file.write_text(text)
    return file


def test_paths_here_begin_at_the_file_and_paths_behind_ssh_do_not(tmp_path: Path):
    file = written(tmp_path, "machines:\n- {name: a, run: one}\n- {name: b, ssh: vqa@b.lan, project: /opt/vqaserve}\n")
    here, there = FleetSettings.read(file).machines
    assert here.run == tmp_path / "one"
    assert (there.run, there.project) == (Path("run"), Path("/opt/vqaserve"))


@pytest.mark.parametrize(
    ("machines", "reason"),
    [
        ("[]", "machines: "),
        ("[{name: a, port: 1}]", "unknown key 'machines.0.port'"),
        ("[{name: a}, {name: a, run: other}]", "two machines have the name a"),
        ("[{name: a}, {name: b}]", "two machines have the run folder this machine:run"),
        ("[{name: a, ssh: -oProxyCommand=id}]", "machines.0.ssh"),
        ("[{name: 'a b'}]", "machines.0.name"),
    ],
)
def test_a_fleet_that_cannot_be_meant_is_refused(tmp_path: Path, machines: str, reason: str):
    with pytest.raises(RecipeError) as refused:
        FleetSettings.read(written(tmp_path, f"machines: {machines}\n"))
    assert reason in str(refused.value)


def test_commands_for_one_server_refuse_a_fleet(tmp_path: Path):
    file = written(tmp_path, "machines: [{name: a}]\n")
    for words, reason in ((["scale"], "is for one server"), (["list", "--run", "run"], "give one of them")):
        done = CliRunner().invoke(models.app, ["--fleet", str(file), *words])
        assert done.exit_code == 1
        assert reason in done.stderr
