"""`make peers` from end to end, with one peer and a weightless model."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import psutil
import pytest
from typer.testing import CliRunner

from loadtest.peers.__main__ import app
from tests.support.recipes import RecipeMaker
from vqaops.paths import ROOT


@pytest.mark.parametrize(
    ("peer", "peers_title"),
    [("fastapi", "FastAPI"), pytest.param("deploy.ray", "ours (Ray Serve)", marks=pytest.mark.ray)],
)
def test_our_server_and_a_peer_give_the_same_answers_and_leave_no_process(
    run_folder: Callable[[], Path], make_recipe: RecipeMaker, peer: str, peers_title: str
):
    out = run_folder().resolve() / "out"
    recipe = make_recipe(name="bare", config="jobQueueSize: 300\n")
    options = ["--peer", peer, "--rounds", "1", "--seconds", "0.5", "--warm", "0.2", "-o", str(out)]
    command = [sys.executable, "-m", "loadtest.peers", str(recipe), *options]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert "CPU, ours = 1.00" in done.stdout
    assert peers_title in done.stdout
    servers = json.loads((out / "report.json").read_text())["models"]["bare"]
    assert list(servers) == ["ours (TorchServe)", peers_title, "floor"]
    for title in ("ours (TorchServe)", peers_title):
        assert not servers[title]["failure"]
        assert len(servers[title]["workloads"]) == 4
        for figures in servers[title]["workloads"].values():
            assert figures["answers"] > 0
            assert figures["cpu_ms"] > 0
            assert (figures["wrong"], figures["refused"]) == (0, {})
    report = (out / "report.md").read_text()
    assert "| unique, 16 connections | ours (TorchServe) | 1.00 |" in report
    assert f"| zipf, 16 connections | {peers_title} |" in report
    assert not [process for process in psutil.process_iter() if _belongs(process, out)]


def _belongs(process: psutil.Process, folder: Path) -> bool:
    """Whether a process belongs to a run: its arguments or its environment name the folder."""
    with suppress(psutil.NoSuchProcess, psutil.AccessDenied):
        environment = process.environ()
        given = environment.get("PEER_READY", "") + environment.get("VQA_RUN", "")
        return str(folder) in given or any(str(folder) in argument for argument in process.cmdline())
    return False


def test_an_unknown_peer_is_refused_in_one_line():
    done = CliRunner().invoke(app, ["shapes", "--peer", "flask"])
    assert done.exit_code == 1
    assert "there is no peer 'flask'; possible are: fastapi, litserve, mosec, bentoml, ray, deploy.ray" in done.stderr
