from __future__ import annotations

import numpy as np
import pytest

from vqaops.evaluation.scores import Prediction, calibration_error, compute_scores


def test_shares_are_counted_as_their_names_say():
    scores = compute_scores(
        [
            Prediction(["a", "b", "c"], 0.9, ["a"]),
            Prediction(["b", "a", "c"], 0.8, ["a", "b"]),
            Prediction(["c", "b"], 0.7, ["a", "b"]),
            Prediction(["x", "y", "z", "q", "r", "a"], 0.1, ["a"]),
        ]
    )
    assert (scores.top1, scores.top5, scores.any_answer) == (0.25, 0.5, 0.5)
    assert scores.multi_answer == pytest.approx((1 + 1 + 0.5 + 0) / 4)
    assert scores.confident50 == 0.5
    assert scores.answered == 1


def test_answers_that_are_marked_as_unsure_are_not_counted_as_answered():
    marked = [
        Prediction(["a"], 0.9, ["a"]),
        Prediction(["a"], 0.4, ["b"]),
        Prediction(["a"], 0.1, ["b"], abstained=True),
    ]
    scores = compute_scores(marked)
    assert (scores.answered, scores.answered_top1) == (pytest.approx(2 / 3), 0.5)
    assert compute_scores(marked[2:]).answered_top1 == 0


def test_calibration_error_is_zero_when_confidence_equals_accuracy():
    assert calibration_error(np.full(4, 0.5), np.array([1, 0, 1, 0])) == pytest.approx(0)


def test_calibration_error_is_the_gap_when_all_are_overconfident():
    assert calibration_error(np.full(10, 0.95), np.zeros(10)) == pytest.approx(0.95)


def test_full_confidence_falls_into_the_last_bin():
    assert calibration_error(np.ones(3), np.ones(3)) == 0
