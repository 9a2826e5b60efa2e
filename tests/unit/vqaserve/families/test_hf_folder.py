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


@pytest.mark.parametrize("kind", ["vilt", "blip"])
def test_a_folder_without_a_vocabulary_is_refused_and_not_given_an_empty_one(
    make_tiny: Callable[[str], Tiny], kind: str
):
    tiny = make_tiny(kind)
    (tiny.folder / "weights" / "tokenizer.json").unlink()
    with pytest.raises(RecipeError, match=r"weights has no vocabulary, .* add tokenizer\.json"):
        tiny.load()


def test_a_language_model_without_a_vocabulary_is_refused(make_tiny: Callable[[str], Tiny]):
    tiny = make_tiny("clip_llm")
    (tiny.folder / "weights" / "llm" / "tokenizer.json").unlink()
    with pytest.raises(RecipeError, match=r"llm (has no vocabulary|does not load)"):
        tiny.load()


POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n"
DAMAGE = {
    "weights that are a pointer": ("model.safetensors", POINTER, "it is a Git LFS pointer"),
    "weights that are a web page": ("model.safetensors", b"<html>", "it is a web page"),
    "weights that are empty": ("model.safetensors", b"", "it is empty"),
    "weights of another kind": ("model.safetensors", b"\x80\x02}q\x00.", "it is a pickle"),
    "a config that is a list": ("config.json", b"[]", "holds a JSON list"),
    "a config that is cut off": ("config.json", b'{"model_type": "vilt",', "is not JSON"),
    "a processor that is a pointer": ("processor_config.json", POINTER, "is a Git LFS pointer"),
    "a processor in UTF-16": ("processor_config.json", "{}".encode("utf-16"), "is UTF-16"),
    "a tokenizer that is none": ("tokenizer.json", b"{}", "is not a file of the tokenizers library"),
    "a tokenizer with a byte order mark": ("tokenizer.json", b"\xef\xbb\xbf{}", "begins with a byte order mark"),
    "settings of a tokenizer that are none": ("tokenizer_config.json", b"null", "holds a JSON null"),
}


@pytest.mark.parametrize(("name", "content", "message"), DAMAGE.values(), ids=DAMAGE)
def test_the_damaged_file_of_a_folder_is_named(
    make_tiny: Callable[[str], Tiny], name: str, content: bytes, message: str
):
    tiny = make_tiny("vilt")
    (tiny.folder / "weights" / name).write_bytes(content)
    with pytest.raises(RecipeError, match=f"weights/{name}.* {message}"):
        tiny.load()
