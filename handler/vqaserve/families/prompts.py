"""Keeping a client's question text: what spells a control token is not one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any


def control_tokens(tokenizer: Any, more: Iterable[str] = ()) -> list[str]:
    """Texts that a tokenizer reads as something else than text, and ``more`` of them, longest first."""
    special = {token.content for token in tokenizer.added_tokens_decoder.values() if token.special}
    return sorted({*special, *more}, key=len, reverse=True)


def without(control: Sequence[str], question: str) -> str:
    """A question without control tokens, which would end its turn in a chat, or ask for a second picture.

    A model that marks its turns with words (LLaVA's ``ASSISTANT:``) is told them by a question too: they are text, and
    no list of words could tell them from a question about a sign.
    """
    for token in control:
        question = question.replace(token, " ")
    return question
