"""Hugging Face's folders as the network that a classifier's training keeps."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from PIL import Image
from transformers import AutoModelForImageClassification, ImageClassificationPipeline, ViTModel

from tests.support.classes import CLASSES, draw, make_class_recipe, make_classes
from tests.support.training import invoke
from tests.tiny.image_classifier_models import make
from vqaops.training.classes.training import load_trained
from vqaserve.errors import RecipeError
from vqaserve.families.hf_folder import read_image_processor
from vqaserve.families.hf_image_classifier import HfImageClassifier
from vqaserve.families.weight_files import read_tensors
from vqaserve.settings import ModelConfig
from vqaserve.types import Query


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_classes(tmp_path_factory.mktemp("data") / "pictures")


def best(recipe: Path) -> list[str]:
    """The recipe's class of an unseen picture of each class."""
    family = load_trained(recipe)
    assert isinstance(family, HfImageClassifier)
    features = family.encode([draw(colour, 14) for colour in CLASSES.values()])
    ranked = family.decode(family.forward(features, []), [Query(b"", top_k=1)] * len(CLASSES))
    return [answers[0].answer for answers in ranked]


# Linear layers; convolutions with a layer norm; a head in a sequence; and one that fades pictures out if it is random.
@pytest.mark.parametrize("model_type", ["vit", "convnext", "resnet", "efficientnet"])
def test_a_model_gets_a_head_for_the_pictures_and_keeps_the_rest(model_type: str, data: Path, tmp_path: Path):
    base, recipe = tmp_path / "base", tmp_path / "dots"
    make(model_type, base)
    result = invoke(recipe, data, "--base", str(base))
    assert result.exit_code == 0, result.output
    assert best(recipe) == list(CLASSES) or model_type == "efficientnet"
    before, after = (read_tensors(folder / "model.safetensors") for folder in (base, recipe / "weights"))
    assert before.keys() == after.keys()
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert len(changed) == 2
    assert all(name.startswith("classifier.") for name in changed)
    assert "family: hf_image_classifier" in (recipe / "train.yaml").read_text()
    card = (recipe / "README.md").read_text()
    assert "of 6 pictures that were held out before the training" in card
    assert "of them are marked as unlike all of the classes" in card


@pytest.mark.parametrize("runtime", ["torch", "openvino"])
def test_a_picture_that_is_unlike_all_classes_is_marked(runtime: str, data: Path, tmp_path: Path):
    base, recipe = tmp_path / "base", tmp_path / "dots"
    make("resnet", base)
    assert invoke(recipe, data, "--base", str(base)).exit_code == 0
    settings = ModelConfig.read(recipe / "model-config.yaml").handler
    family = HfImageClassifier.load(
        recipe, settings.model_copy(update={"precision": "fp32", "threads": 1, "options": {"runtime": runtime}})
    )
    noise = Image.effect_noise((80, 64), 200).convert("RGB")
    features = family.encode([noise, draw("red", 9)])
    stranger, known = family.decode(family.forward(features, []), [Query(b"", top_k=3)] * 2)
    assert (stranger[0].abstained, known[0].abstained) == (True, False)
    assert sum(answer.score for answer in known) == pytest.approx(1)


def test_known_pictures_of_another_model_are_refused(data: Path, tmp_path: Path):
    base, recipe = tmp_path / "base", tmp_path / "dots"
    make("vit", base)
    assert invoke(recipe, data, "--base", str(base)).exit_code == 0
    file = recipe / "weights" / "familiarity" / "config.json"
    right = file.read_text()
    for before, after, message in (
        ('"head": "classifier"', '"head": "fc"', "head is 'fc', which is no linear layer of ViTForImage"),
        ('"pictures": 21', '"pictures": 20', "size mismatch for known"),
    ):
        file.write_text(right.replace(before, after))
        with pytest.raises(RecipeError, match=message):
            load_trained(recipe)


def test_the_trained_folder_is_one_of_transformers(data: Path, tmp_path: Path):
    base, recipe = tmp_path / "base", tmp_path / "dots"
    make("vit", base)
    assert invoke(recipe, data, "--base", str(base)).exit_code == 0
    weights = recipe / "weights"
    model = AutoModelForImageClassification.from_pretrained(weights)
    pipeline = ImageClassificationPipeline(model=model, image_processor=read_image_processor(weights))
    assert pipeline(draw("red", 14))[0]["label"] == "red dots"


def test_an_encoder_without_a_head_and_a_trained_recipe_can_be_the_base(data: Path, tmp_path: Path):
    base, first, second = tmp_path / "base", tmp_path / "first", tmp_path / "second"
    make("vit", base)
    ViTModel.from_pretrained(base).save_pretrained(base)
    for recipe, given in ((first, base), (second, first)):
        result = invoke(recipe, data, "--base", str(given))
        assert result.exit_code == 0, result.output
        assert best(recipe) == list(CLASSES)


@pytest.mark.parametrize(
    ("model_type", "message"),
    [
        ("textnet", "its processor prepares pictures to"),  # of several sizes
        ("imagegpt", "its processor prepares pictures to"),  # numbers of colours
        ("swiftformer", "2 linear layers end in its classes"),
    ],
)
def test_a_model_that_cannot_be_the_base_is_one_line(model_type: str, message: str, data: Path, tmp_path: Path):
    make(model_type, tmp_path / "base")
    result = invoke(tmp_path / "dots", data, "--base", str(tmp_path / "base"))
    assert result.exit_code == 1
    assert message in " ".join(result.output.split())


def test_settings_that_do_not_fit_the_base_are_refused(data: Path, tmp_path: Path):
    make("vit", tmp_path / "base")
    base = str(tmp_path / "base")
    for changes, message in (
        ({"base": base}, "set family: hf_image_classifier"),
        ({"base": base, "family": "hf_image_classifier"}, "leave out resize and crop"),
        ({"family": "hf_image_classifier"}, "set family: torchvision_classifier"),
    ):
        result = invoke(make_class_recipe(tmp_path / message, **changes), data)
        assert result.exit_code == 1
        assert message in " ".join(result.output.split())
