"""Whether the promise of a threshold holds on questions that it was not chosen on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from vqaops.confidence.judged import Judged
from vqaops.confidence.threshold import choose_threshold
from vqaserve.errors import RecipeError


@dataclass(frozen=True, slots=True)
class Half:
    """A threshold that was chosen on half of the pictures, and the answers about the other half.

    Attributes:
        threshold: The threshold; None if no threshold could be promised.
        coverage: Share of the other half's questions whose answer is kept.
        accuracy: Share of right answers among them; 1 if none is kept.
    """

    threshold: float | None
    coverage: float
    accuracy: float


def try_halves(judged: Judged, accuracy: float, confidence: float, halves: int) -> list[Half]:
    """Choose temperature and threshold on random halves of the pictures, and judge the other halves.

    Args:
        judged: Answers about at least two pictures.
        accuracy: As of ``choose_threshold``.
        confidence: As of ``choose_threshold``.
        halves: How many; each has a seed of its own.
    """
    return [_half(judged, accuracy, confidence, seed) for seed in range(halves)]


def _half(judged: Judged, accuracy: float, confidence: float, seed: int) -> Half:
    pictures = np.unique(judged.pictures)
    drawn = np.random.default_rng(seed).permutation(pictures)[: len(pictures) // 2]
    chosen = np.isin(judged.pictures, drawn)
    temperature = judged.only(chosen).best_temperature()
    tempered = judged.at(temperature)
    try:
        threshold = choose_threshold(tempered.only(chosen), accuracy, confidence).threshold
    except RecipeError:
        return Half(None, 0, 1)
    other = tempered.only(~chosen)
    kept = other.scores >= threshold
    return Half(threshold, float(kept.mean()), float(other.right[kept].mean()) if kept.any() else 1.0)
