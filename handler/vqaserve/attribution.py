"""What an answer rests on, before its weights are scaled."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from vqaserve.errors import InvalidParameter


@dataclass(frozen=True, slots=True)
class Attribution:
    """Weights of parts of a picture and of words; only their ratios count, and what is negative counts as 0.

    Attributes:
        score: The answer's score.
        grid: Of equal parts of the picture, in rows from the top left.
        words: Of the question's words, in their order; of the first ones, if fewer were weighed.
    """

    score: float
    grid: Sequence[Sequence[float]]
    words: Sequence[float]


def unknown_answer(answer: str) -> InvalidParameter:
    """The error of a request to explain an answer that the model does not give."""
    return InvalidParameter(
        f"the model does not give the answer {answer!r:.80} here; name one of its answers to explain"
    )
