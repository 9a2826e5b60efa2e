"""A recipe that cannot be served is refused by the build in one line, and leaves no archive."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
import torch
import typer
from safetensors.torch import load_file, save_file
from typer.testing import CliRunner

from scripts import build_mar
from tests.support.recipes import RecipeMaker
from tests.tiny import make_weights


@pytest.fixture
def modular(make_recipe: RecipeMaker) -> Path:
    recipe = make_recipe("tiny", family="modular")
    make_weights("modular", recipe / "weights")
    return recipe


def refusal(store: Path, *arguments: object) -> str:
    app = typer.Typer()
    app.command()(build_mar.main)
    done = CliRunner().invoke(app, [*map(str, arguments), "--store", str(store)])
    assert done.exit_code == 1
    assert not list(store.rglob("*.mar"))
    (line,) = done.output.strip().splitlines()
    assert line.startswith("build_mar: ")
    return line


def test_safetensors_that_were_cut_off(modular: Path, tmp_path: Path):
    file = modular / "weights" / "model.safetensors"
    file.write_bytes(file.read_bytes()[:-100])
    assert "model.safetensors is damaged or not safetensors" in refusal(tmp_path, modular)


def test_weights_of_wrong_shapes(modular: Path, tmp_path: Path):
    (modular / "weights" / "answers.txt").write_text("yes\nno\n")
    assert "heads.0.classifier.bias is [5], [2] would fit" in refusal(tmp_path, modular)


def test_an_unknown_key_in_a_models_config(modular: Path, tmp_path: Path):
    file = modular / "weights" / "config.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), "colour": 1}))
    assert "unknown key 'colour'; allowed: fusion, " in refusal(tmp_path, modular)


def test_a_hugging_face_folder_of_wrong_shapes(tmp_path: Path):
    make_weights("vilt", tmp_path / "weights")
    file = tmp_path / "weights" / "model.safetensors"
    tensors = load_file(file)
    name = next(name for name in tensors if name.endswith("classifier.3.weight"))
    save_file({**tensors, name: torch.zeros(3, 3)}, file, metadata={"format": "pt"})
    line = refusal(tmp_path, "--from-folder", tmp_path / "weights", "-o", tmp_path / "wrong")
    assert "the weights do not fit config.json" in line
    assert f"{name} is [3, 3]" in line


def test_a_hugging_face_folder_that_answers_no_questions(tmp_path: Path):
    from transformers import BertConfig, BertModel

    BertModel(BertConfig(hidden_size=8, num_hidden_layers=1, num_attention_heads=1)).save_pretrained(tmp_path / "bert")
    line = refusal(tmp_path, "--from-folder", tmp_path / "bert", "-o", tmp_path / "new")
    assert "holds a BertModel, which neither answers questions about pictures nor names" in line
    assert not (tmp_path / "new").exists()


def test_a_folder_with_pickled_weights_alone(tmp_path: Path):
    (tmp_path / "old").mkdir()
    (tmp_path / "old" / "pytorch_model.bin").touch()
    line = refusal(tmp_path, "--from-folder", tmp_path / "old", "-o", tmp_path / "new")
    assert "has pytorch_model.bin, a pickled file, and no safetensors" in line


def test_a_folder_without_weights(tmp_path: Path):
    (tmp_path / "empty").mkdir()
    assert "holds no weights" in refusal(tmp_path, "--from-folder", tmp_path / "empty", "-o", tmp_path / "new")


def test_a_file_where_the_new_recipe_should_go(tmp_path: Path):
    file = tmp_path / "notes"
    file.write_text("mine")
    assert "notes is a file; give -o" in refusal(tmp_path, "--from-folder", tmp_path, "-o", file)
    assert file.read_text() == "mine"


def test_the_library_that_a_folder_needs_is_advised_from_this_project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    make_weights("vilt", tmp_path / "weights")
    monkeypatch.setitem(sys.modules, "transformers", None)  # as if it were not installed
    line = refusal(tmp_path, "--from-folder", tmp_path / "weights", "-o", tmp_path / "new")
    assert line.endswith("transformers is not installed; .venv/bin/pip install -c constraints.txt -e '.[hf]'")


def test_pickled_weights_of_a_folder_become_safetensors_when_told(tmp_path: Path):
    weights, recipe = tmp_path / "weights", tmp_path / "tiny"
    make_weights("vilt", weights)
    torch.save(load_file(weights / "model.safetensors"), weights / "pytorch_model.bin")
    expected = load_file(weights / "model.safetensors")
    (weights / "model.safetensors").unlink()
    app = typer.Typer()
    app.command()(build_mar.main)
    command = ["--from-folder", weights, "--pickled", "-o", recipe, "--store", tmp_path / "store"]
    done = CliRunner().invoke(app, list(map(str, command)))
    assert done.exit_code == 0, done.output
    written = load_file(recipe / "weights" / "model.safetensors")
    assert written.keys() == expected.keys()
    assert all(torch.equal(written[name], expected[name]) for name in expected)
    assert not list(recipe.rglob("*.bin"))
