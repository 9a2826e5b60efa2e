"""A white box is a redaction only where its outline can be seen."""

from __future__ import annotations

import numpy as np
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


def test_other_styles_are_kept():
    canvas = boxed(outline=255, kind="black")
    assert without_invisible(canvas) is canvas
