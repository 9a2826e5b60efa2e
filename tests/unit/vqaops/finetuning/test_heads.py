"""A modular model learns what it is told, keeps what it knows, and goes on where it was interrupted."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from safetensors.torch import load_file

from tests.support.training import COLOURS, SETTINGS, assert_same_weights, invoke, make_data, make_recipe, run, weights
from vqaops.finetuning import heads
from vqaops.finetuning.tuning import tune
from vqaops.questions import Question, read_questions
from vqaops.training import pretrained
from vqaserve.errors import RecipeError
from vqaserve.families.modular import Modular
from vqaserve.settings import ModelConfig
from vqaserve.types import Query

KNOWN, NEW = "what color is the wall ?", "is the wall painted ?"


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_data(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def recipe(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A recipe that answers with the colour of the wall."""
    folder = make_recipe(
        tmp_path_factory.mktemp("trained") / "recipe",
        optimisation=SETTINGS["optimisation"] | {"epochs": 12, "patience": 12},
    )
    run(folder, data)
    return folder


@pytest.fixture
def new(tmp_path: Path) -> list[Question]:
    """A question that the model does not know, with an answer that it does not have."""
    found = []
    for number in range(12):
        path = tmp_path / f"new{number}.png"
        Image.new("RGB", (12, 9 + number), COLOURS[number % 3]).save(path)
        found.append(Question(path, NEW, ("painted",)))
    return found


def tuned(recipe: Path, output: Path, new: list[Question], old: list[Question]) -> Path:
    shutil.copytree(recipe, output)
    tune(recipe, new, old, output.parent / f"{output.name}-state", output)
    return output


def answers(recipe: Path, text: str) -> list[str]:
    family = Modular.load(recipe, ModelConfig.read(recipe / "model-config.yaml").handler)
    features = family.encode([Image.new("RGB", (20, 20), colour) for colour in COLOURS])
    queries = [Query(b"", text, 1)] * 3
    return [ranked[0].answer for ranked in family.decode(family.forward(features, queries), queries)]


@pytest.fixture
def for_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    """Enough steps for twelve plain pictures."""
    monkeypatch.setattr(heads, "_STEPS", 120)


@pytest.mark.usefixtures("for_a_while")
@pytest.mark.parametrize("replayed", [True, False], ids=["old questions", "own answers"])
def test_a_model_learns_a_new_answer_and_keeps_the_old_ones(
    recipe: Path, data: Path, new: list[Question], tmp_path: Path, replayed: bool
):
    old = read_questions(data / "train.jsonl", data / "images") if replayed else []
    more = new if replayed else [*new, *(Question(one.image, KNOWN, (COLOURS[n % 3],)) for n, one in enumerate(new))]
    after = tuned(recipe, tmp_path / "after", more, old)
    assert answers(after, NEW) == ["painted"] * 3
    assert answers(after, KNOWN) == COLOURS
    assert NEW not in (recipe / "weights" / "answers.txt").read_text()
    assert (after / "weights" / "answers.txt").read_text().splitlines()[-1] == "painted"


@pytest.fixture
def briefly(monkeypatch: pytest.MonkeyPatch) -> None:
    """For what does not depend on how well a model learns."""
    monkeypatch.setattr(heads, "_STEPS", 6)


@pytest.mark.usefixtures("briefly")
def test_the_picture_encoder_stays(recipe: Path, new: list[Question], tmp_path: Path):
    after = tuned(recipe, tmp_path / "after", new, [])
    before, now = (load_file(folder / "weights" / "model.safetensors") for folder in (recipe, after))
    same = {name for name, tensor in before.items() if name in now and now[name].equal(tensor)}
    assert {name for name in before if name.startswith("image_encoder.")} <= same
    assert not all(name in same for name in before)


@pytest.mark.usefixtures("briefly")
def test_an_interrupted_tuning_ends_as_one_that_never_stopped(
    recipe: Path, new: list[Question], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    whole = tuned(recipe, tmp_path / "whole", new, [])
    epoch = heads.Trainer._epoch

    def interrupted(trainer: heads.Trainer, number: int, advance: Any) -> None:
        if number == 2:
            raise KeyboardInterrupt
        epoch(trainer, number, advance)

    broken = tmp_path / "broken"
    with monkeypatch.context() as patch:
        patch.setattr(heads.Trainer, "_epoch", interrupted)
        with pytest.raises(KeyboardInterrupt):
            tuned(recipe, broken, new, [])
    monkeypatch.delattr(heads, "encode_files")  # no picture is encoded twice
    tune(recipe, new, [], tmp_path / "broken-state", broken)
    assert_same_weights(weights(broken), weights(whole))


@pytest.mark.usefixtures("briefly")
def test_a_picture_under_two_names_is_encoded_once(
    recipe: Path, new: list[Question], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    encoded, load = [], pretrained.load_pixels
    monkeypatch.setattr(
        pretrained, "load_pixels", lambda images, pixels: encoded.extend(images) or load(images, pixels)
    )
    again = [replace(one, image=Path(shutil.copy(one.image, tmp_path / f"again-{one.image.name}"))) for one in new]
    tuned(recipe, tmp_path / "after", new, again)
    assert len(encoded) == len(new)


@pytest.mark.usefixtures("briefly")
def test_the_command_writes_a_new_recipe_and_leaves_the_old_one(recipe: Path, data: Path, tmp_path: Path):
    before, output = weights(recipe), tmp_path / "next"
    run(recipe, data, "--tune", str(output), "--replay", str(data))
    assert weights(recipe) == before != weights(output)
    again = invoke(recipe, data, "--tune", str(output))
    assert (again.exit_code, "exists already; give the name of a new folder" in again.output) == (1, True)


@pytest.mark.usefixtures("briefly")
def test_a_recipe_without_train_yaml_learns_too(recipe: Path, new: list[Question], tmp_path: Path):
    bare = Path(shutil.copytree(recipe, tmp_path / "bare"))
    (bare / "train.yaml").unlink()
    assert weights(tuned(bare, tmp_path / "after", new, [])) != weights(recipe)


def test_a_family_that_cannot_learn_is_named(make_recipe: Any, new: list[Question], tmp_path: Path):
    with pytest.raises(RecipeError, match="family 'dummy' cannot learn from questions; these can: clip_llm, hf_c"):
        tune(make_recipe(), new, [], tmp_path / "state", tmp_path / "output")
