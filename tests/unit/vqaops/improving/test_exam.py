"""The gates that come before a build."""

from __future__ import annotations

import numpy as np
import pytest

from vqaops.confidence.judged import Judged
from vqaops.improving.exam import Exam, kept, learned


def judged(*right: int) -> Judged:
    count = len(right)
    return Judged(np.ones(count), np.array(right, bool), np.arange(count), None, np.empty((count, 0)), np.zeros(count))


def test_the_gain_is_of_the_same_questions_and_has_its_standard_error():
    exam = Exam(judged(1, 0, 0, 0), judged(1, 1, 1, 0))
    assert exam.gain == 0.5
    assert exam.error == pytest.approx(np.std([0, 1, 1, 0], ddof=1) / 2)
    assert exam.measured == "75.0% of 4 right, before 25.0% (+50.0 ± 28.9 points)"


def test_only_more_right_answers_than_before_are_learning():
    assert learned(Exam(judged(1, 0), judged(1, 1))).passed
    assert not learned(Exam(judged(1, 0), judged(0, 1))).passed


@pytest.mark.parametrize(("max_loss", "passed"), [(0.0, False), (0.24, False), (0.25, True)])
def test_the_golden_set_may_lose_what_the_recipe_allows(max_loss: float, passed: bool):
    assert kept(Exam(judged(1, 1, 1, 1), judged(1, 1, 1, 0)), max_loss).passed is passed
    assert kept(Exam(judged(1, 0), judged(0, 1)), max_loss).passed
