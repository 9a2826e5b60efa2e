"""A short probe: made-up pictures and questions, the same on every machine, to compare a model with itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np
from PIL import Image
from PIL.Image import Resampling

from vqaserve.types import Answer, Query

QUESTIONS = (
    "What is in the picture?",
    "What colour is it?",
    "How many are there?",
    "Is it outside?",
)
_PICTURES = 4
_RANKED = 5
_TIE = 0.01  # of probability: over made-up pictures a model is often undecided, and rounding then tells nothing
_TOKENS = 8  # of a written answer; rounding shows in the first ones or not at all


class ProbedFamily(Protocol):
    """The part of a family that the probe uses."""

    @property
    def parameters(self) -> Mapping[str, tuple[float, float]]:
        """As in ``Family``."""

    def encode(self, pictures: Sequence[Image.Image]) -> Sequence[Any]:
        """As in ``Family``."""

    def forward(self, features: Sequence[Any], queries: Sequence[Query]) -> Any:
        """As in ``Family``."""

    def decode(self, outputs: Any, queries: Sequence[Query]) -> list[tuple[Answer, ...]]:
        """As in ``Family``."""


def probe_answers(family: ProbedFamily) -> list[tuple[Answer, ...]]:
    """The best answers to each question about each picture."""
    return [ranked for seed in range(_PICTURES) for ranked in _ask(family, seed, QUESTIONS)]


def agreement(expected: Sequence[tuple[Answer, ...]], found: Sequence[tuple[Answer, ...]]) -> float:
    """Share of answers that are the expected ones, or ones that were as good to within ``_TIE``."""
    return sum(map(_is_kept, expected, found)) / len(expected)


def _is_kept(expected: tuple[Answer, ...], found: tuple[Answer, ...]) -> bool:
    as_good = {one.answer for one in expected if one.score >= expected[0].score - _TIE}
    return found[0].answer in as_good


def ask_once(family: ProbedFamily) -> None:
    """Answer the first question about the first picture."""
    _ask(family, 0, QUESTIONS[:1])


def _ask(family: ProbedFamily, seed: int, questions: Sequence[str]) -> list[tuple[Answer, ...]]:
    parameters = {"max_new_tokens": float(_TOKENS)} if "max_new_tokens" in family.parameters else {}
    queries = [Query(b"", question, top_k=_RANKED, parameters=parameters) for question in questions]
    (feature,) = family.encode([_picture(seed)])
    return family.decode(family.forward([feature] * len(queries), queries), queries)


def _picture(seed: int) -> Image.Image:
    """Soft blobs of colour: like a photograph, most of their energy is in low frequencies."""
    noise = np.random.default_rng(seed).integers(0, 256, (6, 8, 3), dtype=np.uint8)
    return Image.fromarray(noise).resize((320, 240), Resampling.BICUBIC)
