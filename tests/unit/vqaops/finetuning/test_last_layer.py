"""A Hugging Face classifier learns by its last layer alone."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from tests.support.families import encoded, photo
from tests.tiny import make_weights
from tests.tiny.recipe import complete_recipe
from vqaops.finetuning import last_layer
from vqaops.finetuning.tuning import tune
from vqaops.questions import Question
from vqaserve.families.hf_classifier import HfClassifier
from vqaserve.settings import ModelConfig
from vqaserve.types import Query

NEW, OLD = "what is on the table?", "is the wall red?"


@pytest.fixture(scope="module")
def recipe(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("vilt") / "vilt"
    return complete_recipe(folder, make_weights("vilt", folder / "weights"), encoded(photo(64, 48)), OLD)


@pytest.fixture(scope="module")
def new(tmp_path_factory: pytest.TempPathFactory) -> list[Question]:
    folder = tmp_path_factory.mktemp("pictures")
    for seed in range(12):
        (folder / f"{seed}.png").write_bytes(encoded(photo(64, 48, seed)))
    return [Question(folder / f"{seed}.png", NEW, ("a vase",)) for seed in range(12)]


@pytest.fixture(scope="module")
def tuned(recipe: Path, new: list[Question], tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("tuned") / "vilt"
    shutil.copytree(recipe, output)
    tune(recipe, new, [], output.parent / "state", output)
    return output


def answers(recipe: Path, text: str, first: int) -> list[str]:
    family = HfClassifier.load(recipe, ModelConfig.read(recipe / "model-config.yaml").handler)
    features = family.encode([photo(64, 48, seed) for seed in range(first, first + 12)])
    queries = [Query(b"", text, 1)] * 12
    return [ranked[0].answer for ranked in family.decode(family.forward(features, queries), queries)]


def test_a_new_answer_is_learned_and_others_are_kept(recipe: Path, tuned: Path):
    assert answers(tuned, NEW, first=20).count("a vase") >= 11
    before, after = answers(recipe, OLD, first=0), answers(tuned, OLD, first=0)
    assert sum(one == other for one, other in zip(before, after, strict=True)) >= 10


def test_only_the_last_layer_and_the_names_of_answers_change(recipe: Path, tuned: Path):
    before, after = (load_file(folder / "weights" / "model.safetensors") for folder in (recipe, tuned))
    changed = {name for name, tensor in after.items() if not before[name].equal(tensor)}
    assert changed == {"classifier.3.weight", "classifier.3.bias"}
    old, now = (json.loads((folder / "weights" / "config.json").read_text()) for folder in (recipe, tuned))
    assert now["id2label"] == {**old["id2label"], str(len(old["id2label"])): "a vase"}
    names = ("id2label", "label2id")
    assert {key: value for key, value in now.items() if key not in names} == {
        key: value for key, value in old.items() if key not in names
    }


def test_an_interrupted_run_does_not_ask_the_network_again(
    recipe: Path, new: list[Question], tuned: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    output = Path(shutil.copytree(recipe, tmp_path / "vilt"))
    monkeypatch.setattr(last_layer, "open_pixels", None)
    tune(recipe, new, [], tuned.parent / "state", output)
    one, other = (load_file(folder / "weights" / "model.safetensors") for folder in (output, tuned))
    torch.testing.assert_close(one["classifier.3.weight"], other["classifier.3.weight"])
