"""How good ranked answers are, against the answers that people gave."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass

import numpy as np


@dataclass(frozen=True, slots=True)
class Prediction:
    """Ranked answers to one question.

    Attributes:
        ranked: Answers, best first.
        confidence: Probability of the first, in [0, 1].
        expected: People's answers; the first is the one that counts for exact match.
    """

    ranked: Sequence[str]
    confidence: float
    expected: Sequence[str]

    @property
    def is_right(self) -> bool:
        """Exact match of the first answer."""
        return self.ranked[0] == self.expected[0]


@dataclass(frozen=True, slots=True)
class Scores:
    """Shares in [0, 1].

    Attributes:
        top1: Exact match of the first expected answer.
        top1_error: One standard error of ``top1``.
        top5: The first expected answer is among the five best.
        any_answer: The best answer is any of the expected ones.
        multi_answer: Of a question's n expected answers, the share found among the n best.
        calibration_error: Expected calibration error over 15 equally wide bins (Guo et al., 2017).
        confident20: ``top1`` on the fifth of the questions with the highest confidence.
        confident50: The same on the more confident half.
    """

    questions: int
    top1: float
    top1_error: float
    top5: float
    any_answer: float
    multi_answer: float
    calibration_error: float
    confident20: float
    confident50: float

    def as_dict(self) -> dict[str, float]:
        """The figures by name."""
        return asdict(self)


def scores_of(predictions: Sequence[Prediction]) -> Scores:
    """All figures of a non-empty list of predictions."""
    right = np.array([prediction.is_right for prediction in predictions], dtype=float)
    confidence = np.array([prediction.confidence for prediction in predictions])
    by_confidence = right[np.argsort(-confidence, kind="stable")]
    top1 = float(right.mean())
    return Scores(
        questions=len(predictions),
        top1=top1,
        top1_error=float(np.sqrt(top1 * (1 - top1) / len(predictions))),
        top5=_mean(prediction.expected[0] in prediction.ranked[:5] for prediction in predictions),
        any_answer=_mean(prediction.ranked[0] in prediction.expected for prediction in predictions),
        multi_answer=_mean(_found(prediction) for prediction in predictions),
        calibration_error=calibration_error(confidence, right),
        confident20=float(by_confidence[: max(1, len(right) // 5)].mean()),
        confident50=float(by_confidence[: max(1, len(right) // 2)].mean()),
    )


def calibration_error(confidence: np.ndarray, right: np.ndarray, bins: int = 15) -> float:
    """Mean gap between confidence and accuracy, weighted by how many predictions fall into each bin."""
    which = np.minimum((confidence * bins).astype(int), bins - 1)
    counts = np.bincount(which, minlength=bins)
    gaps = np.abs(np.bincount(which, weights=confidence - right, minlength=bins))
    return float(gaps.sum() / counts.sum())


def _found(prediction: Prediction) -> float:
    best = prediction.ranked[: len(prediction.expected)]
    return len(set(best) & set(prediction.expected)) / len(set(prediction.expected))


def _mean(values: Iterable[float]) -> float:
    return float(np.mean(list(values)))
