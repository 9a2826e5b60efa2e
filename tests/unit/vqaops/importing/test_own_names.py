"""Hugging Face folders whose weights have the names that a wrapper gave them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from tests.tiny import clip_llm, vilt
from vqaops.importing.copied_files import copy_files
from vqaops.importing.folders import choose_local_files

WHOLE = "model.safetensors"
PARTS = ("model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors")
Tensors = dict[str, torch.Tensor]


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("vilt")
    vilt.make(folder)
    return folder


@pytest.fixture
def folder(original: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(original, tmp_path / "folder"))


def copied(folder: Path, pickled: bool = False) -> Path:
    target = folder.with_name("weights")
    target.mkdir()
    copy_files(folder, target, choose_local_files(folder, pickled))
    return target


def wrapped(tensors: Tensors, prefix: str) -> Tensors:
    return {prefix + name: tensor for name, tensor in tensors.items()}


def assert_equal(found: Tensors, expected: Tensors) -> None:
    assert found.keys() == expected.keys()
    assert all(torch.equal(found[name], expected[name]) for name in expected)


PREFIXES = [
    "module.",
    "_orig_mod.",
    "module._orig_mod.",
    "_orig_mod.module.",
    "model.",
    "net.",
    "model._orig_mod.",
    "module.model.",
    "ema_model.module.",
    "_forward_module.model.",
]


@pytest.mark.parametrize("prefix", PREFIXES)
def test_a_wrappers_prefix_is_taken_off_safetensors(folder: Path, prefix: str):
    own = load_file(folder / WHOLE)
    save_file(wrapped(own, prefix), folder / WHOLE, metadata={"format": "pt"})
    assert_equal(load_file(copied(folder) / WHOLE), own)


@pytest.mark.parametrize("prefix", ["model.", "_orig_mod."])
def test_a_wrappers_prefix_is_taken_off_pickled_weights(folder: Path, prefix: str):
    own = load_file(folder / WHOLE)
    (folder / WHOLE).unlink()
    torch.save({"state_dict": wrapped(own, prefix), "epoch": 3}, folder / "pytorch_model.bin")
    assert_equal(load_file(copied(folder, pickled=True) / WHOLE), own)


@pytest.mark.parametrize("prefix", ["model.", "_orig_mod.", ""])
def test_a_wrappers_prefix_is_taken_off_shards_and_their_index(folder: Path, prefix: str):
    own = load_file(folder / WHOLE)
    (folder / WHOLE).unlink()
    names = sorted(own)
    halves = (names[: len(names) // 2], names[len(names) // 2 :])
    for file, half in zip(PARTS, halves, strict=True):
        save_file(wrapped({name: own[name] for name in half}, prefix), folder / file, metadata={"format": "pt"})
    files = {prefix + name: file for file, half in zip(PARTS, halves, strict=True) for name in half}
    (folder / f"{WHOLE}.index.json").write_text(json.dumps({"metadata": {}, "weight_map": files}))
    weights = copied(folder)
    assert_equal({name: tensor for file in PARTS for name, tensor in load_file(weights / file).items()}, own)
    index = json.loads((weights / f"{WHOLE}.index.json").read_text())["weight_map"]
    assert index == {name.removeprefix(prefix): file for name, file in files.items()}


def test_the_weights_are_taken_and_not_the_running_average_beside_them(folder: Path):
    own = load_file(folder / WHOLE)
    average = {f"ema.{name}": tensor + 1 for name, tensor in own.items()}
    save_file({**wrapped(own, "model."), **average}, folder / WHOLE, metadata={"format": "pt"})
    assert_equal(load_file(copied(folder) / WHOLE), own)


def test_weights_under_their_own_names_stay_the_file_that_they_are(folder: Path):
    assert (copied(folder) / WHOLE).samefile(folder / WHOLE)


def test_a_model_whose_own_names_begin_like_a_wrappers_keeps_them(tmp_path: Path):
    clip_llm.make(tmp_path / "three")  # its language model's names begin with `model.`
    llm = tmp_path / "three" / "llm"
    own = load_file(llm / WHOLE)
    assert any(name.startswith("model.") for name in own)
    save_file({name: tensor for name, tensor in own.items() if name.startswith("model.")}, llm / WHOLE)
    shutil.move(llm, tmp_path / "folder")
    assert (copied(tmp_path / "folder") / WHOLE).samefile(tmp_path / "folder" / WHOLE)
