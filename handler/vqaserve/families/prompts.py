"""Removal of control tokens from questions, so that a question cannot change its prompt."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any


def control_tokens(tokenizer: Any, more: Iterable[str] = ()) -> list[str]:
    """The texts of a tokenizer's control tokens and of ``more``, longest first."""
    special = {token.content for token in tokenizer.added_tokens_decoder.values() if token.special}
    return sorted({*special, *more}, key=len, reverse=True)


def remove_control_tokens(control: Sequence[str], question: str) -> str:
    """Replace the control tokens in a question by blanks.

    A control token could end the user's turn in a chat, or ask for a second picture. Models that mark turns with plain
    words (LLaVA's ``ASSISTANT:``) are not protected: the words could as well be part of a question about a sign.
    """
    for token in control:
        question = question.replace(token, " ")
    return question
