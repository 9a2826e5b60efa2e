"""What models that write say of given answers is what they say when they write them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from tests.support.families import PAIRS
from tests.tiny.kinds import Tiny
from tests.tiny.words import bytelevel
from vqaserve.families.answer_logits import AnswerLogits, continuation_tokens
from vqaserve.families.generative import GenerativeFamily
from vqaserve.types import Query

KINDS = ("blip", "llava", "qwen2_vl", "smolvlm", "clip_llm")
ANSWERS = ["red", "a table", "two", "no", "nothing"]


def loaded(shared_tiny: Callable[[str], Tiny], kind: str) -> GenerativeFamily:
    family = shared_tiny(kind).load()
    assert isinstance(family, GenerativeFamily)
    return family


@torch.inference_mode()
def asked(family: GenerativeFamily, rows: list[int]) -> list[AnswerLogits]:
    features = family.encode([PAIRS[row][0] for row in rows])
    return family.answer_logits(features, [PAIRS[row][1] for row in rows], [ANSWERS[row] for row in rows])


@pytest.mark.parametrize("kind", KINDS)
@torch.inference_mode()
def test_the_first_token_has_the_probability_that_it_has_when_it_is_written(
    shared_tiny: Callable[[str], Tiny], kind: str
):
    family = loaded(shared_tiny, kind)
    for row, given in enumerate(asked(family, [0, 1, 2, 3, 4])):
        picture, query = PAIRS[row]
        query = Query(b"", query.question, 1, parameters={"max_new_tokens": 1})
        [[written]] = family.decode(family.forward(family.encode([picture]), [query]), [query])
        assert written.score == pytest.approx(given.logits[0].softmax(0).max().item(), rel=1e-3)


@pytest.mark.parametrize("kind", KINDS)
def test_an_answer_in_a_batch_has_the_logits_that_it_has_alone(shared_tiny: Callable[[str], Tiny], kind: str):
    family = loaded(shared_tiny, kind)
    for row, given in enumerate(asked(family, [0, 1, 2, 3, 4])):
        [alone] = asked(family, [row])
        torch.testing.assert_close(given.logits, alone.logits, atol=1e-4, rtol=1e-4)
        assert given.tokens.tolist() == alone.tokens.tolist()


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("blip", "a table [SEP]"),
        ("llava", "a table</s>"),
        ("smolvlm", "a table<end_of_utterance></s>"),
        ("clip_llm", " a table</s>"),
    ],
)
def test_an_answer_is_worded_as_the_model_would_write_it(shared_tiny: Callable[[str], Tiny], kind: str, text: str):
    family: Any = loaded(shared_tiny, kind)
    tokenizer = family.tokenizer if kind == "clip_llm" else family.generator.processor.tokenizer
    assert tokenizer.decode(asked(family, [1])[0].tokens) == text


def test_an_answer_after_a_text_that_the_tokenizer_ends_is_tokenised_alone():
    plain, ending = bytelevel(bos_token="<s>"), bytelevel(bos_token="<s>", enclose=True)
    alone = plain("red", add_special_tokens=False)["input_ids"]
    assert continuation_tokens(plain, "Answer:", "red") == alone
    assert continuation_tokens(ending, "Answer:", "red") == alone
