"""A redaction counts only where it can be seen."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image, ImageDraw

from tests.support.redacted_pages import text_page
from vqaops.training.redactions.canvas import Canvas, Mark
from vqaops.training.redactions.visibility import without_invisible

PLACE = (200, 402, 700, 436)


def boxed(outline: int, kind: str = "white with outline") -> Canvas:
    """A white box over a line of text."""
    canvas = Canvas.over(np.asarray(text_page()))
    left, top, right, bottom = PLACE
    canvas.pen.rectangle((left, top, right - 1, bottom - 1), fill=255, outline=outline)
    ImageDraw.Draw(canvas.truth).rectangle((left, top, right - 1, bottom - 1), fill=255)
    canvas.redactions.append(Mark(PLACE, kind))
    return canvas


def test_a_white_box_with_a_thin_outline_is_seen():
    canvas = boxed(outline=0)
    assert without_invisible(canvas) is canvas


def test_a_white_box_whose_outline_is_lost_is_no_redaction():
    seen = without_invisible(boxed(outline=255))
    assert seen.redactions == []
    assert seen.truth.getbbox() is None


def test_a_tilted_outline_is_seen():
    canvas = boxed(outline=0)
    canvas.page = canvas.page.rotate(1.5, Image.Resampling.BILINEAR, fillcolor=255)
    canvas.truth = canvas.truth.rotate(1.5, Image.Resampling.BILINEAR)
    canvas.redactions = [Mark(canvas.truth.getbbox() or PLACE, "white with outline")]
    assert without_invisible(canvas).redactions == canvas.redactions


def barred(shade: int, paper: int = 255, kind: str = "black", place: tuple[int, int, int, int] = PLACE) -> Canvas:
    """An even bar on even paper."""
    canvas = Canvas.over(np.full((1754, 1240), paper, np.uint8))
    left, top, right, bottom = place
    canvas.pen.rectangle((left, top, right - 1, bottom - 1), fill=shade)
    ImageDraw.Draw(canvas.truth).rectangle((left, top, right - 1, bottom - 1), fill=255)
    canvas.redactions.append(Mark(place, kind))
    return canvas


@pytest.mark.parametrize("shade", [0, 215])
def test_a_bar_that_differs_from_the_paper_is_seen(shade: int):
    canvas = barred(shade)
    assert without_invisible(canvas) is canvas


def test_a_black_bar_on_a_dark_picture_is_no_redaction():
    seen = without_invisible(barred(0, paper=10))
    assert seen.redactions == []
    assert seen.truth.getbbox() is None


def test_a_black_page_is_seen():
    canvas = barred(0, place=(0, 0, 1240, 1754))
    assert without_invisible(canvas) is canvas


def test_hatching_is_kept():
    canvas = barred(255, kind="hatched")
    assert without_invisible(canvas) is canvas
