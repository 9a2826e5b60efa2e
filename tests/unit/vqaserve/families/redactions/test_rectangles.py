"""Plain rectangles are found without a network."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw

from tests.support.redacted_pages import line_place, redacted, text_page
from vqaserve.families.redactions.outlines import Outline
from vqaserve.families.redactions.rectangles import add_rectangles, best_of, is_row

CELLS = np.full((400, 300), 0.2, np.float32)


def rectangles(page: Image.Image) -> list[Outline]:
    return add_rectangles([], CELLS, np.asarray(page))


def is_found(page: Image.Image, place: tuple[int, int, int, int], pixels: int) -> bool:
    return any(
        np.abs(np.subtract((one.left, one.top, one.right, one.bottom), place)).max() <= pixels
        for one in rectangles(page)
    )


def test_of_text_only_words_in_small_letters_are_rectangles():
    assert all(one.bottom - one.top < 16 for one in rectangles(text_page()))


def test_a_grey_bar_with_grain_is_a_rectangle():
    place = line_place(5, 300, 800)
    page = np.asarray(redacted(text_page(), [place], shade=170), float)
    grainy = (page + np.random.default_rng(0).normal(0, 6, page.shape)).clip(0, 255).astype(np.uint8)
    assert is_found(Image.fromarray(grainy), place, 3)


def test_a_white_box_with_a_word_is_a_rectangle():
    page = text_page(lines=5)
    ImageDraw.Draw(page).rectangle((300, 500, 899, 559), fill=255, outline=0, width=2)
    ImageDraw.Draw(page).text((520, 518), "REDACTED", 0, font_size=20)
    assert is_found(page, (300, 500, 900, 560), 4)


def test_grey_bars_that_touch_are_a_rectangle_each():
    places = [(300, 400, 900, 440), (340, 440, 700, 480), (300, 480, 820, 520)]
    page = redacted(text_page(), places, shade=190)
    assert all(is_found(page, place, 8) for place in places)


def test_of_boxes_that_overlap_the_most_confident_one_is_kept():
    boxes = [Outline(0, 0, 100, 20, 0.5), Outline(2, 1, 98, 20, 0.5), Outline(0, 30, 100, 50, 0.5)]
    assert best_of(boxes, [0.7, 0.9, 0.2]) == [1, 2]


def test_a_box_that_is_known_is_not_added_again():
    place = line_place(5, 300, 800)
    known = Outline(*place, 0.9)
    found = add_rectangles([known], CELLS, np.asarray(redacted(text_page(), [place])))
    assert [one for one in found if one.top < place[3] and one.bottom > place[1] and one.right > 300] == [known]


def test_a_tiny_picture_has_no_rectangles():
    assert add_rectangles([], np.zeros((4, 4), np.float32), np.zeros((9, 8), np.uint8)) == []


def test_the_dark_band_of_a_scanner_along_a_side_is_no_rectangle():
    page = text_page(lines=5)
    ImageDraw.Draw(page).rectangle((0, 0, page.width, 40), fill=20)
    ImageDraw.Draw(page).rectangle((page.width - 50, 0, page.width, page.height), fill=20)
    assert not any(one.right - one.left > 900 or one.bottom - one.top > 1500 for one in rectangles(page))


def test_a_bar_below_the_top_of_a_page_is_a_rectangle():
    place = (40, 60, 1200, 100)
    assert is_found(redacted(text_page(lines=5), [place]), place, 2)


def row(texts: tuple[str, ...]) -> Image.Image:
    """A row of three cells at (100, 100), 600 pixels wide."""
    page = Image.new("L", (800, 300), 255)
    for number, text in enumerate(texts):
        left = 100 + 200 * number
        ImageDraw.Draw(page).rectangle((left, 100, left + 200, 150), outline=0)
        ImageDraw.Draw(page).text((left + 10, 112), text, 0, font_size=22)
    return page


def test_cells_with_text_are_a_row_of_a_table():
    outline = Outline(100, 100, 701, 151, 0.9)
    assert is_row(outline, np.asarray(row(("first cell", "second", "third"))))
    # White boxes that touch are empty, or one of them is.
    assert not is_row(outline, np.asarray(row(("REDACTED", "", ""))))
    assert not is_row(outline, np.zeros((300, 800), np.uint8))
