"""A ViLT's attention as an explanation, compared with the published rule."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from transformers import AutoProcessor, ViltForQuestionAnswering

from tests.support.families import PAIRS, SHORT, asked, photo
from tests.tiny.kinds import Tiny
from vqaserve.errors import InvalidParameter
from vqaserve.explaining import Explainer
from vqaserve.families.hf_classifier.vilt_attention import sum_by_word
from vqaserve.metrics import Stopwatch
from vqaserve.pictures import Picture
from vqaserve.settings import Explain
from vqaserve.types import Answer, Explanation, Item, Query


@pytest.fixture(scope="module")
def tiny(shared_tiny: Callable[[str], Tiny]) -> Tiny:
    return shared_tiny("vilt")


def in_order(weights: torch.Tensor, samples: int) -> torch.Tensor:
    """In place of ``torch.multinomial``, by which transformers shuffles the patches."""
    assert samples <= len(weights)
    return torch.arange(samples)


def plain_relevance(tiny: Tiny, picture: Image.Image, question: str, answer: int) -> torch.Tensor:
    """The rule as it is published: whole matrices, through the library's own forward."""
    model = ViltForQuestionAnswering.from_pretrained(tiny.folder / "weights").eval()
    model.config.max_image_length = -1
    inputs = AutoProcessor.from_pretrained(tiny.folder / "weights")(picture, question, return_tensors="pt")
    output = model(**inputs, output_attentions=True)
    for attention in output.attentions:
        attention.retain_grad()
    output.logits[0, answer].backward()
    relevance = torch.eye(output.attentions[0].shape[-1])
    for attention in output.attentions:
        relevance = relevance + (attention.grad * attention)[0].clamp(min=0).mean(0) @ relevance
    return relevance[0].detach()


def test_the_weights_are_those_of_the_published_rule(tiny: Tiny, monkeypatch: pytest.MonkeyPatch):
    family, picture = tiny.load(), photo(80, 60)
    monkeypatch.setattr(torch, "multinomial", in_order)
    expected = plain_relevance(tiny, picture, SHORT, 3)
    found = family.attribute(family.encode([picture])[0], Query(b"", SHORT), family.answers[3])
    patches = expected[-4 * 5 :].reshape(4, 5)
    np.testing.assert_allclose(found.grid, patches, rtol=1e-4, atol=1e-7)
    words = expected[1:6]  # [CLS] what is the colour ? [SEP]
    np.testing.assert_allclose(found.words, [*words[:3], words[3] + words[4]], rtol=1e-4)
    ranked = family.decode(family.forward(family.encode([picture]), [asked(SHORT, 8)]), [asked(SHORT, 8)])[0]
    assert found.score == pytest.approx({one.answer: one.score for one in ranked}[family.answers[3]], rel=1e-4)


def explained(family: Any, picture: Image.Image, answer: str, method: str = "auto") -> Explanation:
    query = Query(b"", SHORT, explain="json")
    item = Item("1", query, Picture("a", picture), answers=(Answer(answer, 1.0),))
    [found] = Explainer(family, Explain.model_validate({"method": method}), 60, Stopwatch()).explain([item])
    assert found.explanation is not None, found.error
    return found.explanation


def test_a_recipe_can_ask_for_occlusion(tiny: Tiny):
    family, (picture, query) = tiny.load(), PAIRS[0]
    by_attention, by_occlusion = (explained(family, picture, "red", method) for method in ("auto", "occlusion"))
    assert by_attention.score == pytest.approx(by_occlusion.score, rel=1e-3)
    assert np.shape(by_attention.grid) == (4, 5)
    assert by_attention.grid != by_occlusion.grid
    assert [word for word, _ in by_attention.words] == query.question.split()


def test_without_gradients_parts_are_hidden(tiny: Tiny, shared_tiny: Callable[[str], Tiny]):
    for family in (shared_tiny("vilt_openvino").load(), tiny.load(precision="int8", agreement=0)):
        assert family.attribute(family.encode([photo(64, 64)])[0], Query(b"", SHORT), "red") is None


def test_an_answer_that_the_model_does_not_give_is_refused(tiny: Tiny):
    family = tiny.load()
    with pytest.raises(InvalidParameter, match="does not give the answer 'green'"):
        family.attribute(family.encode([photo(64, 64)])[0], Query(b"", SHORT), "green")


def test_a_word_has_the_weight_of_its_tokens_and_a_word_that_is_cut_off_has_none():
    spans = [(0, 0), (0, 3), (3, 5), (6, 8), (8, 9), (0, 0)]
    assert sum_by_word("chair is? more", spans, [9, 1, 2, 4, 8, 9]) == [3, 12, 0]
