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


def test_calibration_error_is_zero_when_confidence_equals_accuracy():
    assert calibration_error(np.full(4, 0.5), np.array([1, 0, 1, 0])) == pytest.approx(0)


def test_calibration_error_is_the_gap_when_all_are_overconfident():
    assert calibration_error(np.full(10, 0.95), np.zeros(10)) == pytest.approx(0.95)


def test_full_confidence_falls_into_the_last_bin():
    assert calibration_error(np.ones(3), np.ones(3)) == 0
