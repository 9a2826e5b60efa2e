from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch

from vqaops.paths import ROOT


def bench(*options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "loadtest.bench", *options]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)


def test_an_unknown_model_is_refused_in_one_line(tmp_path: Path):
    done = bench("nothing", "-o", str(tmp_path))
    assert done.returncode == 1
    assert done.stderr == (
        "make bench: there is no model 'nothing'; possible are: the name of a recipe in recipes/, the folder of a "
        "recipe, vilt, effnet-b2, a .mar file\n"
    )


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_gpu_figures_are_refused_without_a_gpu():
    done = bench("shapes", "--gpu")
    assert done.returncode == 2
    assert "torch finds no NVIDIA GPU on this machine" in " ".join(done.stderr.replace("│", "").split())
