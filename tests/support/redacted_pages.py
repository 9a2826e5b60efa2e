"""Pages with lines of text, drawn without any font file, to redact."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

SIZE = (1240, 1754)
"""A4 at 150 dpi."""

Place = tuple[int, int, int, int]


def line_place(number: int, left: int = 160, right: int = 1080) -> Place:
    """The box of a line of ``text_page``, with a little room around it."""
    top = 170 + 40 * number
    return (left, top - 3, right, top + 29)


def text_page(size: tuple[int, int] = SIZE, lines: int = 36) -> Image.Image:
    """A page of text in Pillow's own font."""
    page = Image.new("L", size, 255)
    pen, letters, rng = ImageDraw.Draw(page), ImageFont.load_default(22), np.random.default_rng(5)
    for number in range(lines):
        words = ["".join(rng.choice(list("etaoinshrdlu"), int(rng.integers(2, 10)))) for _ in range(20)]
        text = " ".join(words)
        while letters.getlength(text) > size[0] - 320:
            text = text[:-1]
        pen.text((160, 170 + 40 * number), text, 0, letters)
    return page


def redacted(page: Image.Image, places: Sequence[Place], shade: int = 0) -> Image.Image:
    """The page with bars over it."""
    covered = page.copy()
    for left, top, right, bottom in places:
        ImageDraw.Draw(covered).rectangle((left, top, right - 1, bottom - 1), fill=shade)
    return covered


def write_pdf(path: Path, pages: Sequence[Image.Image]) -> None:
    """A document of these pages, at 150 dpi."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pages[0].save(path, "PDF", save_all=True, append_images=list(pages[1:]), resolution=150)
