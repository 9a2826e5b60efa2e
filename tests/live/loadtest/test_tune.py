"""`scripts/tune.py` from end to end, on a weightless model."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from tests.support.recipes import RecipeMaker
from vqaops.paths import ROOT
from vqaops.tuning.space import Candidate
from vqaserve.settings import ModelConfig


def test_tune_measures_candidates_and_writes_the_choice(run_folder: Callable[[], Path], make_recipe: RecipeMaker):
    recipe, folder = make_recipe(), run_folder()
    file = recipe / "model-config.yaml"
    file.write_text("# of this machine\n" + file.read_text())
    # One core has one layout; with one precision and one delay, two batch sizes remain.
    space = ["--cores", "1", "--batch", "1", "--batch", "8", "--delay", "1", "--precision", "fp32"]
    options = [
        "--connections",
        "2",
        "--limit",
        "5000",
        "--seconds",
        "0.3",
        "--exhaustive",
        "--write",
        "-o",
        str(folder),
    ]
    command = [sys.executable, str(ROOT / "scripts" / "tune.py"), str(recipe), *space, *options]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=400)
    assert done.returncode == 0, done.stderr
    assert "2 trials found " in done.stdout
    assert (folder / "tune.png").read_bytes().startswith(b"\x89PNG")
    written = file.read_text()
    assert written.startswith("# of this machine\n")
    chosen = Candidate.of(ModelConfig.read(file))
    assert (chosen.workers, chosen.threads, chosen.delay, chosen.precision) == (1, 1, 1, "fp32")
    assert chosen.batch in (1, 8)
    assert f"Chosen: {chosen}" in done.stdout
    assert not list((folder / "tune" / "store").iterdir())


def test_a_limit_that_no_candidate_meets_writes_nothing(run_folder: Callable[[], Path], make_recipe: RecipeMaker):
    recipe, folder = make_recipe(), run_folder()
    file = recipe / "model-config.yaml"
    before = file.read_text()
    space = ["--cores", "1", "--batch", "8", "--delay", "1", "--precision", "fp32"]
    options = ["--connections", "1", "--limit", "0.001", "--seconds", "0.2", "--write", "-o", str(folder)]
    command = [sys.executable, str(ROOT / "scripts" / "tune.py"), str(recipe), *space, *options]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=400)
    assert done.returncode == 1
    assert "no settings keep the p95 below 0.001 ms with 1 connections" in done.stderr
    assert file.read_text() == before
