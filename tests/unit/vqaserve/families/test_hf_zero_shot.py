from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForZeroShotImageClassification, ZeroShotImageClassificationPipeline

from tests.support.families import answers, photo
from tests.support.pictures import encoded
from tests.tiny.kinds import Tiny
from vqaserve.errors import RecipeError
from vqaserve.families.hf_folder import read_processor
from vqaserve.families.hf_zero_shot import HfZeroShot
from vqaserve.pipeline import Pipeline
from vqaserve.types import Model, Query, Request

LABELS = ("a cat", "a dog asleep on a chair", "red")
QUERY = Query(b"", labels=LABELS, hypothesis_template="This is a photo of {}.", top_k=3)


@pytest.fixture(params=["clip", "siglip"])
def tiny(request: pytest.FixtureRequest, shared_tiny: Callable[[str], Tiny]) -> Tiny:
    return shared_tiny(request.param)


def test_scores_are_those_of_transformers_pipeline(tiny: Tiny):
    weights = tiny.folder / "weights"
    processor = read_processor(weights)
    pipeline = ZeroShotImageClassificationPipeline(
        model=AutoModelForZeroShotImageClassification.from_pretrained(weights),
        tokenizer=processor.tokenizer,
        image_processor=processor.image_processor,
    )
    for seed, size in enumerate([(80, 60), (60, 80), (200, 40), (32, 32)]):
        picture = photo(*size, seed)
        (found,) = answers(tiny.load(), [(picture, QUERY)])
        expected = pipeline(picture, candidate_labels=list(LABELS), hypothesis_template=QUERY.hypothesis_template)
        assert [one.answer for one in found] == [one["label"] for one in expected]
        assert [one.score for one in found] == pytest.approx([one["score"] for one in expected], abs=1e-4)


def test_known_labels_and_pictures_cost_no_encoder(tiny: Tiny, monkeypatch: pytest.MonkeyPatch):
    family = tiny.load()
    assert isinstance(family, HfZeroShot)
    (feature,) = family.encode([photo(80, 60)])
    first = family.decode(family.forward([feature], [QUERY]), [QUERY])
    monkeypatch.delattr(type(family.model), "get_text_features")
    again = replace(QUERY, labels=LABELS[::-1])
    assert sorted(family.decode(family.forward([feature], [again]), [again])[0], key=lambda one: -one.score) == list(
        first[0]
    )


def test_known_labels_are_hits_in_the_metrics_also_for_a_new_picture(shared_tiny: Callable[[str], Tiny]):
    tiny, samples = shared_tiny("clip"), []
    pipeline = Pipeline.load(tiny.folder, tiny.settings, Model("clip", "1.0.0"), samples.extend)
    counted = []
    for colour, labels in (("red", b"a cat,a dog"), ("blue", b"a dog,a cat"), ("blue", b"a dog,a cow")):
        samples.clear()
        (reply,) = pipeline.answer([Request("id", {"image": encoded(colour), "labels": labels})])
        assert reply.status == 200
        counted.append(
            {
                one.labels[-1]: one.value
                for one in samples
                if one.metric.name == "vqa_cache_requests_total" and one.labels[-2] == "labels"
            }
        )
    assert counted == [{"miss": 2}, {"hit": 2}, {"hit": 1, "miss": 1}]
    assert pipeline.answerer.counters["labels"] == {"hits": 3, "misses": 3, "size": 3, "limit": 4096}


def test_no_more_labels_are_kept_than_the_recipe_allows(shared_tiny: Callable[[str], Tiny]):
    tiny = shared_tiny("clip")
    family = tiny.load(cache=tiny.settings.cache.model_copy(update={"labels": 2}))
    assert isinstance(family, HfZeroShot)
    for _ in range(2):
        assert len(answers(family, [(photo(80, 60), QUERY)])[0]) == 3
    assert family.caches["labels"]["size"] == family.caches["labels"]["limit"] == 2


def test_features_survive_their_way_to_another_worker(tiny: Tiny):
    family = tiny.load()
    (feature,) = family.encode([photo(80, 60)])
    assert torch.equal(family.from_bytes(family.to_bytes(feature)), feature)


def test_a_label_that_is_read_in_part_is_named(tiny: Tiny):
    query = replace(QUERY, labels=("a cat", "x" * 90))
    (warning,) = tiny.load().warnings(query)
    assert warning.startswith("label 'xxx")
    assert "of which the model reads the first" in warning


def test_a_single_label_is_warned_about_where_its_score_is_always_one(shared_tiny: Callable[[str], Tiny]):
    one = replace(QUERY, labels=("a cat",))
    assert shared_tiny("clip").load().warnings(one) == (
        "the scores of this model add up to 1 over the labels; send at least two to compare",
    )
    assert shared_tiny("siglip").load().warnings(one) == ()


def test_a_model_without_a_shared_space_is_refused(shared_tiny: Callable[[str], Tiny], tmp_path: Path):
    tiny = shared_tiny("clip")
    shutil.copytree(shared_tiny("vit").folder / "weights", tmp_path / "weights")
    with pytest.raises(RecipeError, match="does not load: Unrecognized configuration class"):
        HfZeroShot.load(tmp_path, tiny.settings)
