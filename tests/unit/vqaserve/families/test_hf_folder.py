"""Hugging Face folders: no code in them runs, and missing files are named."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from tests.tiny.kinds import Tiny
from vqaserve.errors import RecipeError


def test_pickled_weights_are_not_read(make_tiny: Callable[[str], Tiny]):
    tiny = make_tiny("vilt")
    weights = tiny.folder / "weights"
    torch.save(load_file(weights / "model.safetensors"), weights / "pytorch_model.bin")
    (weights / "model.safetensors").unlink()
    with pytest.raises(RecipeError, match=r"weights holds no \*\.safetensors file"):
        tiny.load()


def test_the_python_of_a_folder_never_runs(make_tiny: Callable[[str], Tiny], tmp_path: Path):
    tiny = make_tiny("vilt")
    weights, trace = tiny.folder / "weights", tmp_path / "it ran"
    (weights / "own.py").write_text(f"open({str(trace)!r}, 'w')\nclass Config: pass\nclass Model: pass\n")
    own = {"AutoConfig": "own.Config", "AutoModelForVisualQuestionAnswering": "own.Model"}
    (weights / "config.json").write_text(json.dumps({"model_type": "own", "auto_map": own}))
    with pytest.raises(RecipeError, match=r"weights does not load: .*contains custom code"):
        tiny.load()
    assert not trace.exists()


def test_every_tensor_at_fault_is_named(make_tiny: Callable[[str], Tiny]):
    tiny = make_tiny("vilt")
    file = tiny.folder / "weights" / "model.safetensors"
    tensors = load_file(file)
    tensors.pop("classifier.0.bias")
    tensors["classifier.3.weight"] = torch.zeros(9, 64)
    save_file(tensors, file, metadata={"format": "pt"})
    with pytest.raises(
        RecipeError, match=r"classifier\.0\.bias is missing; classifier\.3\.weight is \[9, 64\], \[8, 64\] would fit$"
    ):
        tiny.load()


def test_a_folder_without_picture_preprocessing_is_refused(make_tiny: Callable[[str], Tiny]):
    tiny = make_tiny("vilt")
    (tiny.folder / "weights" / "processor_config.json").unlink()
    with pytest.raises(RecipeError, match="weights"):
        tiny.load()
