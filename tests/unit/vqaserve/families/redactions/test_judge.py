"""The second network sees a box closely and the page around it."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from vqaserve.families.redactions.judge import SIDE, VIEWS, look_at, mirrored, to_tensor
from vqaserve.families.redactions.outlines import Outline

BOX = Outline(600, 800, 700, 830, 0.9)
CLOSE, PARAGRAPH, MOST_OF_THE_PAGE = slice(0, 5), 5, 6


def page(*dark: tuple[int, int, int, int], size: tuple[int, int] = (1275, 1650)) -> Image.Image:
    blank = Image.new("L", size, 255)
    for place in dark:
        blank.paste(0, place)
    return blank


def test_what_is_an_inch_away_is_in_the_views_of_the_page_around_alone():
    alone, beside = look_at(page(), [BOX])[0], look_at(page((600, 660, 700, 690)), [BOX])[0]
    np.testing.assert_array_equal(beside[CLOSE], alone[CLOSE])
    assert beside[PARAGRAPH].min() == beside[MOST_OF_THE_PAGE].min() == 0


def test_what_is_three_inches_away_is_in_the_widest_view_alone():
    alone, beside = look_at(page(), [BOX])[0], look_at(page((600, 350, 700, 400)), [BOX])[0]
    np.testing.assert_array_equal(beside[:MOST_OF_THE_PAGE], alone[:MOST_OF_THE_PAGE])
    assert beside[MOST_OF_THE_PAGE].min() == 0


def test_what_is_outside_the_page_is_white():
    corner = Outline(0, 0, 60, 30, 0.9)
    assert (look_at(page(), [corner]) == 255).all()


def test_mirrored_views_are_those_of_the_mirrored_page():
    shown = page((600, 800, 700, 830), (560, 790, 590, 850), (300, 500, 420, 700), size=(1280, 1650))
    turned = Outline(1280 - BOX.right, BOX.top, 1280 - BOX.left, BOX.bottom, BOX.probability)
    views = to_tensor(look_at(shown, [BOX]))
    other = to_tensor(look_at(shown.transpose(Image.Transpose.FLIP_LEFT_RIGHT), [turned]))
    assert (mirrored(views) - other).abs().mean() < 1e-3  # the edges of the page around are rounded
    assert (views - other).abs().mean() > 1e-2


@pytest.mark.parametrize("scale", [0.05, 0.5, 2.0])
def test_views_show_the_same_in_any_resolution(scale: float):
    size = (round(1275 * scale), round(1650 * scale))
    left, top, right, bottom = (round(edge * scale) for edge in (BOX.left, BOX.top, BOX.right, BOX.bottom))
    views = look_at(page((left, top, right, bottom), size=size), [Outline(left, top, right, bottom, 0.9)])
    assert views.shape == (1, VIEWS, SIDE, SIDE)
    in_the_middle = views[0, [0, 1, 2, 5, 6], SIDE // 2 - 1, SIDE // 2 - 1]  # the others show the ends
    assert (in_the_middle < 128).all()
