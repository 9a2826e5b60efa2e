from __future__ import annotations

import numpy as np
import pytest

from vqaops.training.classes.figures import Figures

FIGURES = Figures(("cat", "dog", "cow"), np.array([[8, 2, 0], [0, 5, 0], [1, 0, 0]]))


def test_accuracy_and_the_figures_of_a_class_follow_from_the_confusion_matrix():
    assert (FIGURES.right, FIGURES.pictures, FIGURES.accuracy) == (13, 16, 13 / 16)
    assert FIGURES.of_class(0) == pytest.approx((8 / 9, 0.8, 16 / 19))
    assert FIGURES.of_class(2) == (0, 0, 0)
    assert FIGURES.interval == pytest.approx((0.5699, 0.9341), abs=1e-4)  # Wilson's formula by hand
