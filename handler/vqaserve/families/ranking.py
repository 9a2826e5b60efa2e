"""Ranked answers out of the scores of named classes."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from vqaserve.types import Answer


def rank(scores: Tensor, names: Sequence[str], top_k: int | None) -> tuple[Answer, ...]:
    """The names with the highest scores, best first.

    Args:
        scores: A score for each name, in [0, 1]; shape [names].
        names: What the scores are of.
        top_k: The most answers; None means one.
    """
    best, places = scores.topk(min(top_k or 1, len(names)))
    return tuple(Answer(names[place], score) for place, score in zip(places.tolist(), best.tolist(), strict=True))
