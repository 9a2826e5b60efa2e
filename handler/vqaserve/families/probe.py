"""A short probe: generated pictures and questions, the same on every machine, to compare two precisions of a model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np
from PIL import Image
from PIL.Image import Resampling

from vqaserve.errors import RecipeError
from vqaserve.types import Answer, Query

QUESTIONS = (
    "What is in the picture?",
    "What colour is it?",
    "How many are there?",
    "Is it outside?",
)
LABELS = ("a cat", "a red square", "a street at night", "text on paper")
"""Candidate labels, for families that rank the client's own."""
PICTURES = 4
_RANKED = 5
_TIE = 0.01  # difference of scores; models are often undecided about generated pictures, and rounding then decides
_TOKENS = 8  # maximum length of a generated answer; rounding shows in the first tokens or not at all


class ChangedAnswers(RecipeError):
    """Fewer probe answers stay the same than the recipe's ``agreement`` sets."""


class ProbedFamily(Protocol):
    """The interface that the probe uses of a family."""

    @property
    def parameters(self) -> Mapping[str, tuple[float, float]]:
        """See ``Family``."""

    def encode(self, pictures: Sequence[Image.Image]) -> Sequence[Any]:
        """See ``Family``."""

    def forward(self, features: Sequence[Any], queries: Sequence[Query]) -> Any:
        """See ``Family``."""

    def decode(self, outputs: Any, queries: Sequence[Query]) -> list[tuple[Answer, ...]]:
        """See ``Family``."""


def probe_answers(family: ProbedFamily, pictures: Sequence[int] = range(PICTURES)) -> list[tuple[Answer, ...]]:
    """Return the ranked answers to each question about each picture."""
    return [ranked for seed in pictures for ranked in _ask(family, seed, QUESTIONS)]


def agreement(expected: Sequence[tuple[Answer, ...]], found: Sequence[tuple[Answer, ...]]) -> float:
    """The share of answers that are the expected ones, or were within ``_TIE`` of them."""
    return sum(map(_is_kept, expected, found)) / len(expected)


def _is_kept(expected: tuple[Answer, ...], found: tuple[Answer, ...]) -> bool:
    as_good = {one.answer for one in expected if one.score >= expected[0].score - _TIE}
    return found[0].answer in as_good


def ask_once(family: ProbedFamily) -> None:
    """Answer the probe's first question about its first picture."""
    _ask(family, 0, QUESTIONS[:1])


def ask_batch(family: ProbedFamily, pictures: Sequence[Image.Image]) -> None:
    """Answer one question about each picture, together."""
    queries = _queries(family, [QUESTIONS[number % len(QUESTIONS)] for number in range(len(pictures))])
    family.decode(family.forward(family.encode(pictures), queries), queries)


def _ask(family: ProbedFamily, seed: int, questions: Sequence[str]) -> list[tuple[Answer, ...]]:
    queries = _queries(family, questions)
    (feature,) = family.encode([probe_picture(seed)])
    return family.decode(family.forward([feature] * len(queries), queries), queries)


def _queries(family: ProbedFamily, questions: Sequence[str]) -> list[Query]:
    parameters = {"max_new_tokens": float(_TOKENS)} if "max_new_tokens" in family.parameters else {}
    return [
        Query(b"", question, top_k=_RANKED, parameters=parameters, labels=LABELS, hypothesis_template="{}")
        for question in questions
    ]


def probe_picture(seed: int) -> Image.Image:
    """Soft blobs of colour, whose energy is mostly in low frequencies, as in a photograph."""
    noise = np.random.default_rng(seed).integers(0, 256, (6, 8, 3), dtype=np.uint8)
    return Image.fromarray(noise).resize((320, 240), Resampling.BICUBIC)
