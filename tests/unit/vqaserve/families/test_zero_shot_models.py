"""Every model of ``AutoModelForZeroShotImageClassification``: the scores of the pipeline, or one clear line."""

from __future__ import annotations

from pathlib import Path

import pytest
from transformers import (
    AutoModelForZeroShotImageClassification,
    Blip2Config,
    Blip2ForImageTextRetrieval,
    ZeroShotImageClassificationPipeline,
)

from tests.support.families import answers, photo
from tests.tiny.zero_shot_models import MAKERS
from vqaops.importing.folders import find_family
from vqaserve.errors import RecipeError
from vqaserve.families.hf_folder import read_processor
from vqaserve.families.hf_zero_shot import HfZeroShot
from vqaserve.settings import HandlerSettings
from vqaserve.types import Query

SETTINGS = HandlerSettings(version="1.0.0", family="hf_zero_shot", device="cpu")
LABELS = ("a cat", "a dog asleep on a chair", "red")
QUERY = Query(b"", labels=LABELS, hypothesis_template="This is a photo of {}.", top_k=3)


@pytest.mark.parametrize("name", MAKERS)
def test_scores_are_those_of_transformers_pipeline(name: str, tmp_path: Path):
    weights = tmp_path / "weights"
    MAKERS[name](weights)
    assert find_family(weights) == ("hf_zero_shot", "zero-shot-image-classification")
    processor = read_processor(weights)
    pipeline = ZeroShotImageClassificationPipeline(
        model=AutoModelForZeroShotImageClassification.from_pretrained(weights),
        tokenizer=processor.tokenizer,
        image_processor=processor.image_processor,
    )
    family = HfZeroShot.load(tmp_path, SETTINGS)
    asked = [(photo(*size, seed), QUERY) for seed, size in enumerate([(80, 60), (60, 80), (200, 40)])]
    for (picture, _), found in zip(asked, answers(family, asked), strict=True):
        expected = pipeline(picture, candidate_labels=list(LABELS), hypothesis_template=QUERY.hypothesis_template)
        assert max(one.score for one in found) - min(one.score for one in found) > 1e-3
        assert {one.answer: one.score for one in found} == pytest.approx(
            {one["label"]: one["score"] for one in expected}, abs=1e-4
        )


def test_a_model_that_compares_in_another_way_is_refused(tmp_path: Path):
    weights = tmp_path / "weights"
    size = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 4, "intermediate_size": 64}
    config = Blip2Config(
        vision_config={**size, "image_size": 32, "patch_size": 8},
        qformer_config={**size, "encoder_hidden_size": 32, "vocab_size": 100},
        num_query_tokens=4,
    )
    Blip2ForImageTextRetrieval(config).save_pretrained(weights)
    assert find_family(weights)[0] == "hf_zero_shot"
    with pytest.raises(
        RecipeError, match="holds a Blip2ForImageTextRetrieval, which does not compare one embedding of"
    ):
        HfZeroShot.load(tmp_path, SETTINGS)
