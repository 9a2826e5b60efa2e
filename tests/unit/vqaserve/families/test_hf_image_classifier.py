from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForImageClassification, ImageClassificationPipeline

from tests.support.families import answers, photo
from tests.tiny.image_classifier import LABELS
from tests.tiny.kinds import Tiny
from vqaserve.errors import RecipeError
from vqaserve.families.hf_folder import read_image_processor
from vqaserve.types import Query

QUERY = Query(b"", top_k=len(LABELS))


def config_of(tiny: Tiny) -> Path:
    return tiny.folder / "weights" / "config.json"


def expected(tiny: Tiny, picture: object) -> dict[str, float]:
    weights = tiny.folder / "weights"
    pipeline = ImageClassificationPipeline(
        model=AutoModelForImageClassification.from_pretrained(weights), image_processor=read_image_processor(weights)
    )
    return {one["label"]: one["score"] for one in pipeline(picture, top_k=len(LABELS))}


def assert_same_as_the_pipeline(tiny: Tiny) -> None:
    for seed, size in enumerate([(80, 60), (60, 80), (200, 40), (32, 32)]):
        picture = photo(*size, seed)
        (found,) = answers(tiny.load(), [(picture, QUERY)])
        assert {one.answer: one.score for one in found} == pytest.approx(expected(tiny, picture), abs=1e-4)


def test_scores_are_those_of_transformers_pipeline(shared_tiny: Callable[[str], Tiny]):
    assert_same_as_the_pipeline(shared_tiny("vit"))


def test_a_model_of_several_labels_a_picture_has_independent_scores(make_tiny: Callable[[str], Tiny]):
    tiny = make_tiny("vit")
    config = json.loads(config_of(tiny).read_text())
    config_of(tiny).write_text(json.dumps({**config, "problem_type": "multi_label_classification"}))
    assert_same_as_the_pipeline(tiny)
    (found,) = answers(tiny.load(), [(photo(80, 60), QUERY)])
    assert sum(one.score for one in found) != pytest.approx(1)


def test_features_survive_their_way_to_another_worker(shared_tiny: Callable[[str], Tiny]):
    family = shared_tiny("vit").load()
    (feature,) = family.encode([photo(80, 60)])
    assert torch.equal(family.from_bytes(family.to_bytes(feature)), feature)


def test_a_picture_opened_at_the_models_size_gets_the_same_scores(shared_tiny: Callable[[str], Tiny]):
    family = shared_tiny("vit").load()
    picture = photo(200, 100)
    assert family.squeeze is not None
    assert torch.allclose(*family.encode([picture, family.squeeze(picture)]), atol=1e-6)


def test_classes_without_names_are_refused_with_what_to_do(make_tiny: Callable[[str], Tiny]):
    tiny = make_tiny("vit")
    config = json.loads(config_of(tiny).read_text())
    names = {str(number): f"LABEL_{number}" for number in range(len(LABELS))}
    config_of(tiny).write_text(json.dumps({**config, "id2label": names}))
    with pytest.raises(RecipeError, match=r"LABEL_0, LABEL_1, .*index_to_name.json"):
        tiny.load()
