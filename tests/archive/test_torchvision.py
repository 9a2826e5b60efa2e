"""torchvision's checkpoints as recipes have the same probabilities as torchvision itself."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from tests.support.classifiers import NAMES, load, run, scores
from tests.support.torchvision_oracle import CASES
from vqaops.paths import ROOT


@pytest.fixture(scope="module")
def oracle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with checkpoints of torchvision's and their probabilities, computed where torchvision is installed."""
    folder, packages = tmp_path_factory.mktemp("oracle"), tmp_path_factory.mktemp("packages")
    pip = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--no-compile", "--target", str(packages)]
    pip += ["-c", str(ROOT / "constraints.txt"), "torchvision"]
    done = subprocess.run(pip, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"torchvision cannot be had: {done.stderr.strip()[-200:]}")
    command = [sys.executable, "-m", "tests.support.torchvision_oracle", str(folder)]
    subprocess.run(command, env={**os.environ, "PYTHONPATH": str(packages)}, cwd=ROOT, check=True)
    return folder


@pytest.mark.parametrize("case", CASES)
def test_a_converted_model_has_torchvisions_own_probabilities(oracle: Path, tmp_path: Path, case: str):
    more = ["--resize", "232"] if CASES[case][1] == "IMAGENET1K_V2" else []
    done = run(oracle / f"{case}.pth", tmp_path / "food", "--classes", NAMES, *more)
    assert done.exit_code == 0, done.output
    expected = torch.tensor(json.loads((oracle / f"{case}.json").read_text()))
    assert (expected[0] - expected[1]).abs().max() > 1e-3  # pictures differ, so that equal scores mean something
    torch.testing.assert_close(scores(load(tmp_path / "food")), expected, rtol=0, atol=1e-4)
