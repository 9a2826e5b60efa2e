"""Warnings about parts of a question that a model does not read."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from vqaserve.families.prompts import remove_control_tokens

_SPECIAL_TOKENS = 4
"""Tokens that a tokenizer adds to a text at most; each other token stands for at least one byte."""


def warn_if_cut(text: str, count: Callable[[str], int], limit: int, use: str = "") -> tuple[str, ...]:
    """Return a warning if a text has more tokens than the model reads.

    Args:
        text: The question, or the prompt with it.
        count: Returns the number of tokens. It is not called for a text so short that it cannot exceed the limit.
        limit: The number of tokens that the model reads.
        use: What the tokens are read for, if that is not the answer, such as ``"for clip_similarity"``.
    """
    tokens = too_many_tokens(text, count, limit)
    if not tokens:
        return ()
    read = f"the model reads the first {limit} {use}".rstrip()
    return (f"the question has {tokens} tokens, of which {read}; ask a shorter question",)


def too_many_tokens(text: str, count: Callable[[str], int], limit: int) -> int:
    """Return the number of tokens of a text if it is over the limit, else 0; arguments as in ``warn_if_cut``."""
    if len(text.encode()) + _SPECIAL_TOKENS <= limit:
        return 0
    tokens = count(text)
    return tokens if tokens > limit else 0


def warn_if_control_tokens(control: Sequence[str], question: str) -> tuple[str, ...]:
    """Return a warning if a question contains control tokens of the model, which are removed from the prompt."""
    if remove_control_tokens(control, question) == question:
        return ()
    found = ", ".join(token for token in control if token in question)
    return (f"the question contains control tokens of the model ({found:.80}), which were replaced by a space",)


def count_tokens(tokenizer: Any, text: str) -> int:
    """Return the number of tokens of a Hugging Face tokenizer, special ones included."""
    return len(tokenizer(text, truncation=False, verbose=False)["input_ids"])
