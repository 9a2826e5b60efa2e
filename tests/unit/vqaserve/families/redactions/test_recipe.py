"""What the recipe `redactions` finds on pages that are drawn here, which it was not trained on."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from tests.support.redacted_pages import Place, line_place, redacted, text_page
from vqaops.paths import RECIPES
from vqaserve.families.redactions import Redactions
from vqaserve.settings import ModelConfig

RECIPE = RECIPES / "redactions"
PAGE = text_page()


@pytest.fixture(scope="module")
def family() -> Redactions:
    settings = ModelConfig.read(RECIPE / "model-config.yaml").handler
    return Redactions.load(RECIPE, settings.model_copy(update={"precision": "fp32"}))


def places(family: Redactions, page: Image.Image) -> list[Place]:
    """The boxes that are more likely right than wrong, in pixels."""
    width, height = page.size
    return [
        (round(one.left * width), round(one.top * height), round(one.right * width), round(one.bottom * height))
        for one in family.find(page).boxes
        if one.confidence >= 0.5
    ]


def assert_close(found: Sequence[Place], expected: Sequence[Place], pixels: int = 4) -> None:
    assert len(found) == len(expected), found
    assert np.abs(np.subtract(found, expected)).max() <= pixels, found


def test_a_page_of_text_is_not_redacted(family: Redactions):
    found = family.find(PAGE)
    assert found.confidence < 0.5
    assert places(family, PAGE) == []


def test_bars_over_a_line_and_over_words_are_found(family: Redactions):
    bars = [line_place(3), line_place(9, 400, 760), line_place(20, 200, 330)]
    page = redacted(PAGE, bars)
    assert_close(places(family, page), bars)
    assert family.find(page).confidence > 0.5


def test_bars_over_successive_lines_stay_apart(family: Redactions):
    bars = [line_place(number) for number in range(6, 12)]
    assert_close(places(family, redacted(PAGE, bars)), bars)


def test_bars_on_a_tilted_scan_have_the_boxes_around_them(family: Redactions):
    bars = [line_place(number) for number in (6, 7, 8)]
    page = redacted(PAGE, bars).rotate(1.2, Image.Resampling.BILINEAR, fillcolor=255)
    masks = [redacted(Image.new("L", PAGE.size, 0), [bar], shade=255).rotate(1.2) for bar in bars]
    assert_close(places(family, page), [mask.getbbox() or (0, 0, 0, 0) for mask in masks], pixels=5)


def test_a_block_over_a_paragraph_is_one_box(family: Redactions):
    block = (150, line_place(10)[1], 1090, line_place(19)[3])
    assert_close(places(family, redacted(PAGE, [block])), [block])


def test_a_white_box_with_an_outline_is_found(family: Redactions):
    left, top, right, bottom = box = line_place(12, 300, 800)
    page = PAGE.copy()
    ImageDraw.Draw(page).rectangle((left, top, right - 1, bottom - 1), fill=255, outline=0, width=2)
    ImageDraw.Draw(page).text((480, top + 4), "REDACTED", 0, ImageFont.load_default(20))
    assert_close(places(family, page), [box])


def test_a_page_that_is_black_from_edge_to_edge_is_redacted(family: Redactions):
    (found,) = places(family, Image.new("L", PAGE.size, 0))
    assert found[2] - found[0] > 0.95 * PAGE.width
    assert found[3] - found[1] > 0.95 * PAGE.height


@pytest.mark.parametrize("dpi", [100, 300])
def test_other_resolutions_have_the_same_boxes(family: Redactions, dpi: int):
    bars = [line_place(3), line_place(9, 400, 760)]
    scale = dpi / 150
    page = redacted(PAGE, bars).resize((round(PAGE.width * scale), round(PAGE.height * scale)))
    expected = [tuple(round(scale * edge) for edge in bar) for bar in bars]
    assert_close(places(family, page), expected, pixels=round(4 * max(1, scale)))  # type: ignore[arg-type]


def heading(page: Image.Image) -> None:
    ImageDraw.Draw(page).rectangle((160, 400, 1080, 460), fill=0)
    ImageDraw.Draw(page).text((180, 410), "Annual report of the board of directors", 255, ImageFont.load_default(36))


def barcode(page: Image.Image) -> None:
    pen, rng, x = ImageDraw.Draw(page), np.random.default_rng(1), 420
    pen.rectangle((400, 600, 900, 760), fill=255)
    while x < 860:
        width = int(rng.integers(2, 8))
        pen.rectangle((x, 620, x + width - 1, 740), fill=0)
        x += width + int(rng.integers(2, 8))


def table(page: Image.Image) -> None:
    pen = ImageDraw.Draw(page)
    pen.rectangle((160, 700, 1080, 1000), fill=255)
    for row in range(6):
        for column in range(4):
            left, top = 160 + 230 * column, 700 + 50 * row
            pen.rectangle((left, top, left + 230, top + 50), fill=210 if row == 0 else 255, outline=0)
            pen.text((left + 10, top + 12), f"cell {row} {column}", 0, ImageFont.load_default(22))


@pytest.mark.parametrize("draw", [heading, barcode, table])
def test_what_only_looks_like_a_redaction_is_none(family: Redactions, draw):
    page = PAGE.copy()
    draw(page)
    assert places(family, page) == []


def test_the_samples_are_answered(family: Redactions):
    with Image.open(RECIPE / "samples" / "letter-redacted.png") as redacted_letter:
        assert len(places(family, redacted_letter.convert("L"))) == 4
    with Image.open(RECIPE / "samples" / "letter.png") as letter:
        assert places(family, letter.convert("L")) == []
