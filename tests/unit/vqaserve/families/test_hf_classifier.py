"""Family ``hf_classifier`` compared with transformers itself."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
import torch
from PIL import Image
from transformers import AutoProcessor, ViltForQuestionAnswering

from tests.support.families import LONG, PAIRS, SHORT, answers, assert_same, photo
from tests.tiny.kinds import Tiny
from vqaserve.errors import RecipeError
from vqaserve.types import Query


@pytest.fixture(scope="module")
def tiny(shared_tiny: Callable[[str], Tiny]) -> Tiny:
    return shared_tiny("vilt")


@torch.inference_mode()
def logits(tiny: Tiny, picture: Image.Image, question: str) -> torch.Tensor:
    """The logits that transformers computes."""
    model = ViltForQuestionAnswering.from_pretrained(tiny.folder / "weights").eval()
    processor = AutoProcessor.from_pretrained(tiny.folder / "weights")
    return model(**processor(picture, question, return_tensors="pt")).logits[0]


@pytest.mark.parametrize("scores", ["sigmoid", "softmax"])
def test_scores_are_those_of_the_library(tiny: Tiny, scores: str):
    family = tiny.load(options={"scores": scores})
    picture = PAIRS[0][0]
    direct = logits(tiny, picture, SHORT)
    expected = direct.sigmoid() if scores == "sigmoid" else direct.softmax(0)
    (ranked,) = answers(family, [(picture, Query(b"", SHORT, top_k=8))])
    found = {answer.answer: answer.score for answer in ranked}
    names = [family.answers[index] for index in range(8)]
    assert [found[name] for name in names] == pytest.approx(expected.tolist(), abs=1e-4)


def test_a_question_longer_than_the_model_takes_is_cut(tiny: Tiny):
    family = tiny.load()
    picture, question = PAIRS[0][0], LONG * 5
    (cut,) = answers(family, [(picture, Query(b"", question, top_k=1))])
    assert cut[0].score > 0


def test_more_patches_than_the_config_asks_are_all_read(make_tiny: Callable[[str], Tiny]):
    tiny = make_tiny("vilt")
    file = tiny.folder / "weights" / "config.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), "max_image_length": 4}))
    pair = (photo(100, 60), Query(b"", SHORT, top_k=8))
    family = tiny.load()
    first = answers(family, [pair])[0]
    second = answers(family, [pair])[0]
    assert [answer.score for answer in first] == pytest.approx([answer.score for answer in second], abs=1e-5)


def test_index_to_name_goes_before_the_config(make_tiny: Callable[[str], Tiny]):
    tiny = make_tiny("vilt")
    file = tiny.folder / "weights" / "index_to_name.json"
    file.write_text(json.dumps({str(index): f"answer {index}" for index in range(8)}))
    (ranked,) = answers(tiny.load(), [PAIRS[0]])
    assert ranked[0].answer.startswith("answer ")
    file.write_text(json.dumps({"0": "yes"}))
    with pytest.raises(RecipeError, match=r"names 1 answers for a model with 8$"):
        tiny.load()


def test_a_model_that_writes_is_sent_to_its_family(shared_tiny: Callable[[str], Tiny]):
    blip = shared_tiny("blip")
    with pytest.raises(RecipeError, match=r"generates its answers \(blip\); set family: hf_generative$"):
        blip.load(family="hf_classifier", options={})


def test_a_folder_of_the_years_before_processor_config_loads_the_same(make_tiny: Callable[[str], Tiny]):
    tiny = make_tiny("vilt")
    (expected,) = answers(tiny.load(), PAIRS[:1])
    (tiny.folder / "weights" / "processor_config.json").unlink()
    old = {"feature_extractor_type": "ViltFeatureExtractor", "size": 64, "size_divisor": 16, "resample": 3}
    (tiny.folder / "weights" / "preprocessor_config.json").write_text(json.dumps(old))
    assert_same(answers(tiny.load(), PAIRS[:1]), [expected])
