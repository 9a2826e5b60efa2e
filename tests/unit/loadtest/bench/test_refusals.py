from __future__ import annotations

from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

from loadtest.bench.__main__ import app


def test_a_model_that_does_not_exist_is_one_clear_line(tmp_path: Path):
    done = CliRunner().invoke(app, ["nothing", "-o", str(tmp_path)])
    assert done.exit_code == 1
    assert done.stderr == "make bench: 'nothing' is no model; there are: vilt, a recipe's name or folder, a .mar file\n"


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_without_a_gpu_its_figures_are_refused():
    done = CliRunner().invoke(app, ["shapes", "--gpu"])
    assert done.exit_code == 2
    assert "torch finds no NVIDIA GPU here" in " ".join(done.stderr.replace("│", "").split())
