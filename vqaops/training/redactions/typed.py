"""Typed pages: letters, filings with numbered lines, and forms, which manuals do not look like."""

from __future__ import annotations

import numpy as np
from numpy.random import Generator
from PIL import Image, ImageDraw, ImageFont

from vqaops.training.redactions.canvas import any_font, between, write_words
from vqaops.training.redactions.pages import Grey

_SIZES = ((1275, 1650), (1240, 1754), (1275, 2100))
"""Letter, A4 and legal at 150 dpi."""


def type_page(rng: Generator) -> Grey:
    """Type a page of invented words."""
    width, height = _SIZES[int(rng.choice(3, p=(0.6, 0.3, 0.1)))]
    page = Image.new("L", (width, height), 255)
    pen = ImageDraw.Draw(page)
    letters = any_font(rng, int(between(rng, 19, 30)))
    left, right = int(between(rng, 90, 240)), int(width - between(rng, 80, 220))
    pitch = int(letters.size * between(rng, 1.15, 2.6))
    y = int(between(rng, 70, 240))
    if rng.random() < 0.3:  # a filing's numbered lines
        pen.line((left - 18, 0, left - 18, height), fill=0, width=2)
        for number, line in enumerate(range(y, height - 80, pitch), 1):
            pen.text((left - 26, line), str(number), 0, letters, anchor="ra")
    if rng.random() < 0.6:  # a letter's head or a case's title
        for _ in range(int(rng.integers(1, 6))):
            pen.text((width / 2, y), write_words(rng, int(rng.integers(2, 6))).upper(), 0, letters, anchor="ma")
            y += pitch
    is_form = rng.random() < 0.25
    while y < height - 150:
        for _ in range(int(rng.integers(1, 9))):
            if y > height - 130:
                break
            if is_form:
                pen.text((left, y), write_words(rng, 2) + ":", 0, letters)
                pen.text((left + 330, y), write_words(rng, int(rng.integers(1, 4))), 0, letters)
                pen.line((left, y + pitch - 3, right, y + pitch - 3), fill=0, width=1)
            else:
                pen.text((left, y), _fitting(rng, letters, right - left), 0, letters)
            y += pitch
        if not is_form:
            pen.text((left, y), _fitting(rng, letters, (right - left) * between(rng, 0.2, 0.9)), 0, letters)
        y += int(pitch * between(rng, 1, 2.2))
    return np.asarray(page)


def _fitting(rng: Generator, letters: ImageFont.FreeTypeFont, width: float) -> str:
    text = write_words(rng, max(1, int(width / (2.6 * letters.size))))
    while text and letters.getlength(text) > width:
        text = text[: int(len(text) * 0.92)].rstrip()
    return text
