"""Answers as tokens, and as the text that a reply carries."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import zip_longest
from typing import Any

from vqaserve.types import Answer, Query
from vqaserve.writing import Token, Writing


@dataclass(frozen=True, slots=True)
class GeneratedAnswer:
    """The tokens of an answer without its prompt.

    Attributes:
        tokens: The end token included, if there is one.
        log_probability: Of all tokens together, at temperature 1.
        prompt_tokens: Tokens of the prompt, those of pictures included.
        ended: Whether the answer ended by itself; else it was cut at its maximum length.
        cached_tokens: Tokens of the prompt that were not computed again.
        token_logs: Log-probability of each token, if the query asks for them.
        likeliest: The likeliest tokens at each place and their log-probabilities, if the query asks for them.
    """

    tokens: tuple[int, ...]
    log_probability: float
    prompt_tokens: int
    ended: bool
    cached_tokens: int = 0
    token_logs: tuple[float, ...] = ()
    likeliest: tuple[tuple[tuple[int, float], ...], ...] = ()


def to_answers(
    generated: Sequence[GeneratedAnswer], query: Query, tokenizer: Any, clean: Callable[[str], str] = str
) -> tuple[Answer, ...]:
    """The answers to a query as text, best first; sampled ones as they were drawn.

    Args:
        generated: The answers as tokens.
        query: Its ``stop`` texts end an answer before them; for a greedy search, its ``choices`` are equal.
        tokenizer: Decodes the tokens.
        clean: Removes from the text what is not the answer.
    """
    answers = [_to_answer(one, query.stop, tokenizer, clean) for one in generated]
    if query.parameters.get("temperature", 0):
        return tuple(answers)
    merged = _merge(answers)
    return merged if len(generated) > 1 else merged * query.choices


def cut_at_stop(text: str, stop: Sequence[str]) -> str:
    """A text up to the first of the texts that end an answer."""
    places = [place for place in map(text.find, stop) if place >= 0]
    return text[: min(places)] if places else text


def _to_answer(generated: GeneratedAnswer, stop: Sequence[str], tokenizer: Any, clean: Callable[[str], str]) -> Answer:
    text = clean(tokenizer.decode(generated.tokens, skip_special_tokens=True))
    cut = cut_at_stop(text, stop)
    stopped = generated.ended or len(cut) < len(text)
    tokens = tuple(
        Token(tokenizer.decode([token]), log, tuple((tokenizer.decode([other]), best) for other, best in others or ()))
        for token, log, others in zip_longest(generated.tokens, generated.token_logs, generated.likeliest)
        if log is not None
    )
    writing = Writing(
        prompt_tokens=generated.prompt_tokens,
        completion_tokens=len(generated.tokens),
        cached_tokens=generated.cached_tokens,
        finish_reason="stop" if stopped else "length",
        tokens=tokens,
    )
    return Answer(cut.strip(), min(math.exp(generated.log_probability), 1.0), writing=writing)


def _merge(answers: Sequence[Answer]) -> tuple[Answer, ...]:
    """Rank answers by score; beams with the same text become one answer with the sum of their probabilities."""
    merged: dict[str, Answer] = {}
    for one in answers:
        known = merged.get(one.answer)
        merged[one.answer] = replace(known, score=min(known.score + one.score, 1.0)) if known else one
    return tuple(sorted(merged.values(), key=lambda answer: -answer.score))
