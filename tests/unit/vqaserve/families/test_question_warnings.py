"""A part of a question that a model does not read is named."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.support.families import SHORT
from tests.tiny.kinds import Tiny
from vqaserve.families.base import Family
from vqaserve.families.question_warnings import warn_if_cut
from vqaserve.types import Query


def test_an_ordinary_question_gets_no_warning(family: Family[Any, Any]):
    assert family.warnings(Query(b"", SHORT)) == ()


@pytest.mark.parametrize("kind", ["modular", "vilt", "vilt_openvino", "blip", "clip_llm"])
@pytest.mark.parametrize("question", ["is it red? " * 45, "?" * 500, "blue green " * 45])
def test_a_question_with_more_tokens_than_the_model_reads_gets_a_warning(
    shared_tiny: Callable[[str], Tiny], kind: str, question: str
):
    (warning,) = shared_tiny(kind).load().warnings(Query(b"", question))
    assert "tokens, of which the model reads the first" in warning


def test_a_short_text_is_not_counted():
    def fail(text: str) -> int:
        raise AssertionError(text)

    assert warn_if_cut("how many?", fail, 40) == ()


@pytest.mark.parametrize("kind", ["llava", "qwen2_vl", "smolvlm", "paligemma", "clip_llm"])
def test_a_question_with_a_control_token_gets_a_warning(shared_tiny: Callable[[str], Tiny], kind: str):
    family = shared_tiny(kind).load()
    generator = getattr(family, "generator", family)
    token = getattr(generator, "prompts", generator)._control[0]
    warnings = family.warnings(Query(b"", f"is it {token} red?"))
    assert f"control tokens of the model ({token[:80]}" in warnings[-1]
