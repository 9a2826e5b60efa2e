"""Scores of ranked answers against the correct answers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass

import numpy as np


@dataclass(frozen=True, slots=True)
class Prediction:
    """Ranked answers to one question.

    Attributes:
        ranked: Answers, best first; at least one.
        confidence: Probability of the first answer, in [0, 1].
        expected: Correct answers, at least one; exact match compares with the first.
        abstained: Whether the recipe's threshold marks the answer as unsure.
    """

    ranked: Sequence[str]
    confidence: float
    expected: Sequence[str]
    abstained: bool = False

    @property
    def is_correct(self) -> bool:
        """Whether the best answer is the first correct one (exact match)."""
        return self.ranked[0] == self.expected[0]


@dataclass(frozen=True, slots=True)
class Scores:
    """Scores over all questions, as shares in [0, 1].

    Attributes:
        questions: Number of questions.
        top1: Exact match: the best answer is the first correct one.
        top1_error: One standard error of ``top1``.
        top5: The first correct answer is among the five best.
        any_answer: The best answer is any of the correct ones.
        multi_answer: Of a question's n correct answers, the share found among the n best.
        calibration_error: Expected calibration error over 15 bins of equal width (Guo et al., 2017).
        confident20: ``top1`` of the 20 % of the questions with the highest confidence.
        confident50: ``top1`` of the 50 % of the questions with the highest confidence.
        answered: Share of questions whose answer is not marked as ``abstained``.
        answered_top1: ``top1`` of those; 0 if there are none.
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
    answered: float
    answered_top1: float

    def as_dict(self) -> dict[str, float]:
        """Return the scores by name."""
        return asdict(self)


def compute_scores(predictions: Sequence[Prediction]) -> Scores:
    """Compute all scores of at least one prediction."""
    correct = np.array([prediction.is_correct for prediction in predictions], dtype=float)
    confidence = np.array([prediction.confidence for prediction in predictions])
    by_confidence = correct[np.argsort(-confidence, kind="stable")]
    answered = np.array([not prediction.abstained for prediction in predictions])
    top1 = float(correct.mean())
    return Scores(
        questions=len(predictions),
        top1=top1,
        top1_error=float(np.sqrt(top1 * (1 - top1) / len(predictions))),
        top5=_mean(prediction.expected[0] in prediction.ranked[:5] for prediction in predictions),
        any_answer=_mean(prediction.ranked[0] in prediction.expected for prediction in predictions),
        multi_answer=_mean(_share_found(prediction) for prediction in predictions),
        calibration_error=calibration_error(confidence, correct),
        confident20=float(by_confidence[: max(1, len(correct) // 5)].mean()),
        confident50=float(by_confidence[: max(1, len(correct) // 2)].mean()),
        answered=float(answered.mean()),
        answered_top1=float(correct[answered].mean()) if answered.any() else 0.0,
    )


def calibration_error(confidence: np.ndarray, correct: np.ndarray, bins: int = 15) -> float:
    """Compute the mean gap between confidence and accuracy, weighted by the predictions in each bin.

    Args:
        confidence: Of each prediction, in [0, 1]; shape [n].
        correct: 1 for a correct prediction, else 0; shape [n].
        bins: Number of bins of equal width.
    """
    bin_of = np.minimum((confidence * bins).astype(int), bins - 1)
    counts = np.bincount(bin_of, minlength=bins)
    gaps = np.abs(np.bincount(bin_of, weights=confidence - correct, minlength=bins))
    return float(gaps.sum() / counts.sum())


def _share_found(prediction: Prediction) -> float:
    """The share of the n correct answers that is among the n best."""
    best = prediction.ranked[: len(prediction.expected)]
    return len(set(best) & set(prediction.expected)) / len(set(prediction.expected))


def _mean(values: Iterable[float]) -> float:
    return float(np.mean(list(values)))
