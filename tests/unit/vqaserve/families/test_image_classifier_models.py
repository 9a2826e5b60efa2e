"""Every model of ``AutoModelForImageClassification``: the scores of transformers' pipeline, or one clear line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from transformers import AutoModelForImageClassification, ImageClassificationPipeline

from tests.support.families import answers, photo
from tests.tiny.image_classifier_models import LABELS, MODELS, make
from vqaops.importing.folders import find_family
from vqaserve.errors import RecipeError
from vqaserve.families.hf_folder import read_image_processor
from vqaserve.families.hf_image_classifier import HfImageClassifier
from vqaserve.settings import HandlerSettings
from vqaserve.types import Query

SETTINGS = HandlerSettings(version="1.0.0", family="hf_image_classifier", device="cpu")


@pytest.mark.parametrize("model_type", MODELS)
def test_scores_are_those_of_transformers_pipeline(model_type: str, tmp_path: Path):
    weights = tmp_path / "weights"
    make(model_type, weights)
    assert find_family(weights) == ("hf_image_classifier", "image-classification")
    pipeline = ImageClassificationPipeline(
        model=AutoModelForImageClassification.from_pretrained(weights), image_processor=read_image_processor(weights)
    )
    family = HfImageClassifier.load(tmp_path, SETTINGS)
    asked = [(photo(*size, seed), Query(b"", top_k=3)) for seed, size in enumerate([(80, 60), (60, 80), (200, 90)])]
    for (picture, _), found in zip(asked, answers(family, asked), strict=True):
        expected = {one["label"]: one["score"] for one in pipeline(picture, top_k=len(LABELS))}
        assert {one.answer: one.score for one in found} == pytest.approx(expected, abs=1e-4)


def test_preprocessing_that_needs_a_missing_library_names_it(tmp_path: Path):
    make("vit", tmp_path / "weights")
    (tmp_path / "weights" / "preprocessor_config.json").write_text(
        json.dumps({"image_processor_type": "PPLCNetImageProcessor"}), encoding="utf-8"
    )
    with pytest.raises(RecipeError, match=r"needs torchvision, which is not installed: .*pip install torchvision"):
        HfImageClassifier.load(tmp_path, SETTINGS)
