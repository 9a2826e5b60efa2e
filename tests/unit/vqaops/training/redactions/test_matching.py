"""Which boxes are right, and the average precision."""

from __future__ import annotations

import pytest

from vqaops.training.redactions.figures import covered
from vqaops.training.redactions.matching import average_precision, match, overlap
from vqaserve.documents.boxes import Box


def box(left: float, top: float, right: float, bottom: float, confidence: float = 1.0) -> Box:
    return Box(left, top, right, bottom, confidence)


def test_overlap_is_intersection_over_union():
    assert overlap(box(0, 0, 2, 1), box(1, 0, 3, 1)) == pytest.approx(1 / 3)
    assert overlap(box(0, 0, 1, 1), box(1, 0, 2, 1)) == 0


def test_the_most_confident_box_is_matched_first():
    found = [box(0, 0, 1, 0.8, 0.6), box(0, 0, 1, 0.9, 0.9), box(5, 5, 6, 6)]
    assert match(found, [box(0, 0, 1, 1)]) == [None, 0, None]


def test_average_precision_of_a_known_ranking():
    # Precision 1 up to a recall of 1/2, then 2/3 up to 1.
    assert average_precision([0.9, 0.8, 0.7], [True, False, True], 2) == pytest.approx(0.5 + 0.5 * 2 / 3)
    assert average_precision([], [], 3) == 0


def test_overlapping_boxes_cover_an_area_once():
    assert covered([box(0, 0, 0.5, 1), box(0.25, 0, 0.5, 1)], (200, 100)) == pytest.approx(0.5, abs=0.01)
    assert covered([], (200, 100)) == 0
