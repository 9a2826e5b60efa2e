"""Cells become boxes whose edges are those on the page."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw

from tests.support.redacted_pages import Place, line_place, redacted, text_page
from vqaserve.families.redactions.outlines import find_outlines

_CELL = 3.4
"""Pixels of an A4 page at 150 dpi that a cell of the network stands for."""


def outlines(page: Image.Image, places: Sequence[Place]) -> list[Place]:
    """The boxes for cells that are marked as a perfect network would, but blurred by its resolution."""
    truth = Image.new("L", page.size, 0)
    for left, top, right, bottom in places:
        ImageDraw.Draw(truth).rectangle((left, top, right - 1, bottom - 1), fill=255)
    return from_truth(page, truth)


def from_truth(page: Image.Image, truth: Image.Image) -> list[Place]:
    size = (round(page.width / _CELL), round(page.height / _CELL))
    cells = np.asarray(truth.resize(size, Image.Resampling.BOX), np.float32) / 255
    found = find_outlines(cells, np.asarray(page), 0.4)
    return [(one.left, one.top, one.right, one.bottom) for one in found]


def test_a_bar_over_text_has_its_own_edges():
    place = line_place(4, 301, 777)
    assert outlines(redacted(text_page(), [place]), [place]) == [place]


def test_a_grey_bar_has_its_own_edges():
    place = line_place(4, 301, 777)
    assert outlines(redacted(text_page(), [place], shade=150), [place]) == [place]


def test_bars_with_a_gap_of_three_pixels_are_two_boxes():
    first, second = (200, 300, 800, 330), (200, 333, 800, 363)
    assert outlines(redacted(text_page(), [first, second]), [first, second]) == [first, second]


def test_bars_that_touch_and_are_equally_wide_are_one_box():
    first, second = (200, 300, 800, 330), (200, 330, 800, 360)
    assert outlines(redacted(text_page(), [first, second]), [first, second]) == [(200, 300, 800, 360)]


def test_bars_that_touch_and_differ_in_width_are_two_boxes():
    places = [(500, 300, 1000, 330), (200, 330, 1000, 390), (200, 390, 650, 420)]
    found = outlines(redacted(text_page(), places), places)
    assert len(found) == 3
    assert np.abs(np.subtract(found, places)).max() <= 2  # letters may touch the bars where they meet


def test_white_letters_in_a_bar_do_not_divide_it():
    place = (200, 300, 400, 336)
    page = redacted(text_page(), [place])
    ImageDraw.Draw(page).text((250, 304), "(b)(6)", 255, font_size=22)
    assert outlines(page, [place]) == [place]


def test_a_white_box_ends_at_its_outline():
    place = (300, 400, 900, 460)
    page = text_page()
    ImageDraw.Draw(page).rectangle((300, 400, 899, 459), fill=255, outline=0, width=2)
    (found,) = outlines(page, [place])
    assert np.abs(np.subtract(found, place)).max() <= 2


def test_a_tilted_bar_is_one_box():
    place = (200, 800, 1000, 832)
    truth = redacted(Image.new("L", (1240, 1754), 0), [place], shade=255).rotate(1.2)
    page = redacted(text_page(), [place]).rotate(1.2, fillcolor=255)
    assert len(from_truth(page, truth)) == 1


def test_a_page_without_marked_cells_has_no_boxes():
    assert outlines(text_page(), []) == []


def test_a_page_that_is_smaller_than_its_cells_is_read():
    cells = np.ones((60, 50), np.float32)
    assert [(one.right, one.bottom) for one in find_outlines(cells, np.zeros((20, 18), np.uint8), 0.5)] == [(18, 20)]
