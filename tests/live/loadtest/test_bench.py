"""`make bench` from end to end, on a weightless model."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from tests.support.archives import pack
from tests.support.recipes import RecipeMaker
from vqaops.paths import ROOT


def test_the_bench_starts_a_server_checks_every_answer_and_leaves_a_report(
    run_folder: Callable[[], Path], make_recipe: RecipeMaker
):
    folder = run_folder()
    recipe = make_recipe(name="bare", config="jobQueueSize: 300\n")
    config = recipe / "model-config.yaml"
    config.write_text(config.read_text().replace("Workers: 1", "Workers: 2"))
    archive = pack(recipe, folder / "store")
    options = ["--rounds", "1", "--seconds", "0.2", "--connections", "2", "--busy", "4", "-o", str(folder / "out")]
    command = [sys.executable, "-m", "loadtest.bench", str(archive.path), *options]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=400)
    assert done.returncode == 0, done.stderr
    assert "bare: answers that differ from the floor's" in done.stdout
    figures = json.loads((folder / "out" / "bare.json").read_text())
    assert figures["workloads"]["unique, 4 connections"]["answers"] > 0
    assert figures["workloads"]["zipf, 4 connections"]["wrong"] == 0
    assert figures["workloads"]["open loop, 95%"]["cpu_ms"] > 0
    assert figures["worker_resident_mb"][0] > 10
    assert figures["workloads"]["floor, batch 8"]["cpu_ms"] > 0
    assert figures["best_floor"].startswith("floor, 2 processes, batch ")
    report = (folder / "out" / "report.md").read_text()
    assert "| bare: answers that differ from the floor's | 0 | 0 | pass |" in report
    assert "## Latency of a single request" in report
    for plot in ("bare.png", "stages.png"):
        assert (folder / "out" / plot).read_bytes().startswith(b"\x89PNG")
    assert not (folder / "out" / "server" / "pid.json").exists()  # its server has stopped
