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
_TOKENS = 8  # of a written answer; rounding shows in the first ones or not at all


class Answering(Protocol):
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


def probe_answers(family: Answering) -> list[str]:
    """The best answer to each question about each picture."""
    parameters = {"max_new_tokens": float(_TOKENS)} if "max_new_tokens" in family.parameters else {}
    queries = [Query(b"", question, top_k=1, parameters=parameters) for question in QUESTIONS]
    answers = []
    for feature in family.encode([_picture(seed) for seed in range(_PICTURES)]):
        answers += family.decode(family.forward([feature] * len(queries), queries), queries)
    return [ranked[0].answer for ranked in answers]


def _picture(seed: int) -> Image.Image:
    """Soft blobs of colour: like a photograph, most of their energy is in low frequencies."""
    noise = np.random.default_rng(seed).integers(0, 256, (6, 8, 3), dtype=np.uint8)
    return Image.fromarray(noise).resize((320, 240), Resampling.BICUBIC)
