"""The lowest score from which on answers are shown to be right as often as wished.

The test is fixed sequence testing with several starts, from Angelopoulos, Bates, Candès, Jordan and Lei, "Learn then
Test: Calibrating Predictive Algorithms to Achieve Risk Control" (2021). A sequence of thresholds falls from its start
in steps of 0.01. Each is tested in turn for "the answers with this score or more are right less often than wished", by
the exact binomial test (Clopper and Pearson, 1934), until one test cannot reject that. As the thresholds and their
order are fixed before an answer is seen, a whole sequence errs as rarely as one test, and the sequences share the risk.

The tests take questions as independent draws of what will be asked. Questions about one picture are not quite that, and
the temperature is fitted to the same questions; ``vqaops.confidence.halves`` measures what remains of the promise.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from vqaops.confidence.judged import Judged
from vqaserve.errors import RecipeError

_STEPS = 100
"""Steps of a threshold between 0 and 1."""


@dataclass(frozen=True, slots=True)
class Promise:
    """What a threshold keeps.

    Attributes:
        threshold: The recipe's ``abstain_below``.
        accuracy: The wished share of right answers among those with this score or more.
        confidence: Probability with which the answers are right at least that often.
        questions: Questions that the threshold was chosen on.
        kept: Those whose answer has this score or more.
        right: Those of them whose answer is right.
    """

    threshold: float
    accuracy: float
    confidence: float
    questions: int
    kept: int
    right: int

    @property
    def coverage(self) -> float:
        """The share of questions whose answer is kept."""
        return self.kept / self.questions

    @property
    def share_right(self) -> float:
        """The share of right answers among those that are kept."""
        return self.right / self.kept

    def as_dict(self) -> dict[str, Any]:
        """The fields by name."""
        return asdict(self)


def choose_threshold(judged: Judged, accuracy: float, confidence: float) -> Promise:
    """Return the lowest threshold that the questions show to keep the wish.

    Args:
        judged: Answers to held-out questions, at their final temperature.
        accuracy: The wished share of right answers, in (0, 1).
        confidence: Wished probability that the promise holds, in (0, 1).

    Raises:
        RecipeError: No threshold is shown to keep it.
    """
    risk = 1 - confidence
    # A calibrated model passes at the wish itself, and gets most of the risk. One that is too sure of itself may pass
    # only near 1, where a calibrated one has too few answers to pass; one that is too modest has none at the wish.
    starts = {accuracy: 0.85 * risk, **dict.fromkeys((0.99, (1 + accuracy) / 2, accuracy / 2), 0.05 * risk)}
    passed = [step for start, share in starts.items() for step in _sequence(judged, start, accuracy, share)]
    if not passed:
        sure = judged.scores >= accuracy
        raise RecipeError(
            f"{len(judged):,} questions do not show that answers with a high score are right {accuracy:.0%} of the "
            f"time: of the {sure.sum():,} with a score of {accuracy:.2f} or more, {judged.right[sure].sum():,} are "
            "right. Give more questions, or wish for less: --accuracy"
        )
    threshold = min(passed) / _STEPS
    kept = judged.scores >= threshold
    return Promise(threshold, accuracy, confidence, len(judged), int(kept.sum()), int(judged.right[kept].sum()))


def _sequence(judged: Judged, start: float, accuracy: float, risk: float) -> list[int]:
    """The thresholds of one sequence, in steps, before the first whose test does not reject."""
    from scipy.stats import binomtest  # takes 0.6 s to import, and few commands need it

    passed: list[int] = []
    for step in range(int(np.ceil(start * _STEPS)), -1, -1):
        kept = judged.scores >= step / _STEPS
        count = int(kept.sum())
        if not count or binomtest(int(judged.right[kept].sum()), count, accuracy, "greater").pvalue > risk:
            break
        passed.append(step)
    return passed
