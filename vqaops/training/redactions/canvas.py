"""A page that is drawn on, together with the truth about where its redactions are."""

from __future__ import annotations

import string
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

import matplotlib
import numpy as np
from numpy.random import Generator
from PIL import Image, ImageDraw, ImageFont

from vqaops.training.redactions.layout import Place
from vqaops.training.redactions.pages import Grey

FONTS = (
    "DejaVuSans.ttf",
    "DejaVuSans-Bold.ttf",
    "DejaVuSansMono.ttf",
    "DejaVuSerif.ttf",
    "STIXGeneral.ttf",
    "STIXGeneralBol.ttf",
)
"""Fonts that Matplotlib ships: sans, monospaced like a typewriter's, and serif like a court's."""

_MARGIN = 4
"""Pixels between two things that are drawn, so that a redaction and a distractor are never one shape."""


@dataclass(frozen=True, slots=True)
class Mark:
    """A redaction that was drawn, or something that looks like one.

    Attributes:
        place: Its box in pixels.
        kind: The name of its style.
    """

    place: Place
    kind: str


@dataclass(slots=True)
class Canvas:
    """Grey pixels, the mask of the redactions, and what was drawn."""

    page: Image.Image
    truth: Image.Image
    redactions: list[Mark] = field(default_factory=list)
    distractors: list[Mark] = field(default_factory=list)

    @classmethod
    def over(cls, page: Grey) -> Canvas:
        """Begin with a page without redactions."""
        picture = Image.fromarray(page)
        return cls(picture, Image.new("L", picture.size, 0))

    @property
    def pen(self) -> ImageDraw.ImageDraw:
        """Draws on the page."""
        return ImageDraw.Draw(self.page)

    def is_free(self, place: Place, marks: Iterable[Mark] | None = None) -> bool:
        """Whether nothing was drawn at a place or close to it."""
        left, top, right, bottom = place
        width, height = self.page.size
        if left < 0 or top < 0 or right > width or bottom > height or right - left < 6 or bottom - top < 6:
            return False
        drawn = [*self.redactions, *self.distractors] if marks is None else marks
        return not any(
            left < other[2] + _MARGIN
            and other[0] < right + _MARGIN
            and top < other[3] + _MARGIN
            and other[1] < bottom + _MARGIN
            for other in (mark.place for mark in drawn)
        )


@lru_cache(maxsize=256)
def font(name: str, size: int) -> ImageFont.FreeTypeFont:
    """One of ``FONTS``, in pixels."""
    return ImageFont.truetype(Path(matplotlib.get_data_path()) / "fonts" / "ttf" / name, size)


def any_font(rng: Generator, size: int) -> ImageFont.FreeTypeFont:
    """Choose a font."""
    return font(str(rng.choice(FONTS)), max(6, size))


def write_words(rng: Generator, count: int) -> str:
    """Invent words, of the lengths that English ones have."""
    letters = "".join(rng.choice(list("etaoinshrdlucmfwygpbvk"), 12 * count))
    words = [letters[12 * n : 12 * n + int(rng.integers(1, 11))] for n in range(count)]
    if rng.random() < 0.3:
        words[int(rng.integers(count))] = "".join(rng.choice(list(string.digits), int(rng.integers(1, 8))))
    return " ".join(word.capitalize() if rng.random() < 0.15 else word for word in words)


def write_lines(canvas: Canvas, place: Place, rng: Generator, ink: int) -> None:
    """Fill a place with lines of words in a shade; nothing where none fits."""
    left, top, right, bottom = place
    size = int(min(0.8 * (bottom - top), between(rng, 15, 34)))
    if size < 8 or right - left < 20:
        return
    letters, y = any_font(rng, size), float(top)
    while y + size <= bottom + 1:
        text = write_words(rng, max(1, int((right - left) / (3 * size))))
        canvas.pen.text((left, y), shortened(text, letters, right - left), ink, letters)
        y += 1.3 * size


def shortened(text: str, letters: ImageFont.FreeTypeFont, width: float) -> str:
    """Cut a text until it fits into a width in pixels."""
    while text and letters.getlength(text) > width:
        text = text[: int(len(text) * 0.85)]
    return text


def inside(place: Place) -> Place:
    """A place as Pillow draws rectangles, which hold their right and bottom edge."""
    return (place[0], place[1], place[2] - 1, place[3] - 1)


def between(rng: Generator, low: float, high: float) -> float:
    """A number of a range, evenly."""
    return float(rng.uniform(low, high))


def noisy(size: tuple[int, int], value: float, spread: float, rng: Generator) -> Image.Image:
    """A plain surface with grain."""
    pixels = value + spread * rng.standard_normal((size[1], size[0]), np.float32)
    return Image.fromarray(pixels.clip(0, 255).astype(np.uint8))
