"""The threshold: its promise, its power, and its refusal."""

from __future__ import annotations

import numpy as np
import pytest

from vqaops.confidence.halves import try_halves
from vqaops.confidence.judged import Judged
from vqaops.confidence.threshold import choose_threshold
from vqaserve.errors import RecipeError


def answers(count: int, seed: int, exponent: float = 1.0) -> Judged:
    """Answers that are right with probability ``score ** exponent``; the model is calibrated if that is 1."""
    rng = np.random.default_rng(seed)
    scores = rng.uniform(size=count)
    right = rng.uniform(size=count) < scores**exponent
    return Judged(scores, right, np.arange(count), None, np.empty((count, 0)), np.where(right, 0, -1))


def true_accuracy(threshold: float, exponent: float) -> float:
    """The probability of a right answer at or above a threshold."""
    return float((1 - threshold ** (exponent + 1)) / ((exponent + 1) * (1 - threshold)))


@pytest.mark.parametrize("exponent", [1.0, 4.0], ids=["calibrated", "too sure of itself"])
def test_the_promise_holds_as_often_as_it_says(exponent: float):
    chosen = [choose_threshold(answers(5000, seed, exponent), 0.7, 0.9).threshold for seed in range(60)]
    kept = np.mean([true_accuracy(threshold, exponent) >= 0.7 for threshold in chosen])
    assert kept >= 0.9 - 2 * np.sqrt(0.9 * 0.1 / 60)


def test_the_threshold_is_near_the_lowest_that_keeps_the_wish():
    # A calibrated model reaches 0.7 at a threshold of 0.4.
    chosen = [choose_threshold(answers(5000, seed), 0.7, 0.95).threshold for seed in range(9)]
    assert 0.4 <= np.median(chosen) <= 0.46


def test_a_model_that_is_right_often_enough_never_abstains():
    promise = choose_threshold(answers(5000, 0), 0.45, 0.95)
    assert (promise.threshold, promise.coverage) == (0, 1)


def test_the_figures_are_of_the_answers_at_or_above_the_threshold():
    judged = answers(3000, 0)
    promise = choose_threshold(judged, 0.7, 0.95)
    kept = judged.scores >= promise.threshold
    assert (promise.questions, promise.kept, promise.right) == (3000, kept.sum(), judged.right[kept].sum())
    assert promise.share_right >= 0.7


def test_too_few_questions_promise_nothing():
    with pytest.raises(
        RecipeError, match=r"^6 questions do not show .* 80% of the time: of the \d with a score of 0.80"
    ):
        choose_threshold(answers(6, 0), 0.8, 0.95)


def test_halves_are_of_pictures_and_judge_what_they_were_not_chosen_on():
    judged = answers(4000, 0)
    halves = try_halves(judged, 0.7, 0.95, 10)
    assert len({half.threshold for half in halves}) > 1
    assert sum(half.accuracy >= 0.7 for half in halves) >= 9


def test_a_half_that_promises_nothing_keeps_nothing():
    halves = try_halves(answers(8, 0), 0.9, 0.95, 2)
    assert [(half.threshold, half.coverage) for half in halves] == [(None, 0), (None, 0)]
