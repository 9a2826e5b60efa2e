from __future__ import annotations

from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

from loadtest.bench.__main__ import app


def test_an_unknown_model_is_refused_in_one_line(tmp_path: Path):
    done = CliRunner().invoke(app, ["nothing", "-o", str(tmp_path)])
    assert done.exit_code == 1
    assert done.stderr == (
        "make bench: there is no model 'nothing'; possible are: the name of a recipe in recipes/, the folder of a "
        "recipe, vilt, effnet-b2, a .mar file\n"
    )


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_gpu_figures_are_refused_without_a_gpu():
    done = CliRunner().invoke(app, ["shapes", "--gpu"])
    assert done.exit_code == 2
    assert "torch finds no NVIDIA GPU on this machine" in " ".join(done.stderr.replace("│", "").split())
