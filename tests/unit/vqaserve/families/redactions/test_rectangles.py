"""Plain rectangles are found without a network."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw

from tests.support.redacted_pages import line_place, redacted, text_page
from vqaserve.families.redactions.outlines import Outline
from vqaserve.families.redactions.rectangles import add_rectangles

CELLS = np.full((400, 300), 0.2, np.float32)


def rectangles(page: Image.Image) -> list[Outline]:
    return add_rectangles([], CELLS, np.asarray(page))


def test_text_has_no_rectangles():
    assert rectangles(text_page()) == []


def test_a_grey_bar_with_grain_is_a_rectangle():
    place = line_place(5, 300, 800)
    page = np.asarray(redacted(text_page(), [place], shade=170), float)
    grainy = (page + np.random.default_rng(0).normal(0, 6, page.shape)).clip(0, 255).astype(np.uint8)
    (found,) = rectangles(Image.fromarray(grainy))
    assert np.abs(np.subtract((found.left, found.top, found.right, found.bottom), place)).max() <= 3


def test_a_white_box_with_a_word_is_a_rectangle():
    page = text_page()
    ImageDraw.Draw(page).rectangle((300, 400, 899, 459), fill=255, outline=0, width=2)
    ImageDraw.Draw(page).text((520, 418), "REDACTED", 0, font_size=20)
    (found,) = rectangles(page)
    assert np.abs(np.subtract((found.left, found.top, found.right, found.bottom), (300, 400, 900, 460))).max() <= 2


def test_a_box_that_is_known_is_not_added_again():
    place = line_place(5, 300, 800)
    known = Outline(*place, 0.9)
    assert add_rectangles([known], CELLS, np.asarray(redacted(text_page(), [place]))) == [known]


def test_a_tiny_picture_has_no_rectangles():
    assert add_rectangles([], np.zeros((4, 4), np.float32), np.zeros((9, 8), np.uint8)) == []
