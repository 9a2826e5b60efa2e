"""The styles of redactions: each draws over a place and marks it in the truth."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.random import Generator
from PIL import Image, ImageDraw

from vqaops.training.redactions.canvas import Canvas, any_font, between, inside, noisy
from vqaops.training.redactions.layout import Place

Brush = Callable[[Canvas, Place], None]
"""Draws one redaction; the bars of a passage share a brush."""

_CODES = (
    "(b)(6)",
    "(b)(7)(C)",
    "(b)(1)",
    "(b)(5)",
    "b6",
    "b7C",
    "REDACTED",
    "Redacted",
    "PII",
    "SEALED",
    "XXXX",
    "[ ]",
)

_ROUNDEST = 40
"""Radius in pixels: the corners of a large box are rounded, the box is no ellipse."""


def black(rng: Generator) -> Brush:
    """A bar in black or nearly black."""
    return _filled(int(between(rng, 0, 50) if rng.random() < 0.4 else 0))


def grey(rng: Generator) -> Brush:
    """A bar in an even grey that hides what is under it, sometimes with an outline."""
    value = int(between(rng, 50, 215))
    outline = None if rng.random() < 0.7 else int(between(rng, 0, 100))
    return _filled(value, outline)


def white(rng: Generator) -> Brush:
    """A white box with a dark outline, empty or with a word such as REDACTED."""
    width, value = int(rng.integers(1, 5)), int(between(rng, 0, 110))
    code = str(rng.choice(_CODES)) if rng.random() < 0.5 else ""

    def brush(canvas: Canvas, place: Place) -> None:
        canvas.pen.rectangle(inside(place), fill=255, outline=value, width=width)
        _label(canvas, place, code, value, rng)
        _mark(canvas, place)

    return brush


def labelled(rng: Generator) -> Brush:
    """A dark or grey bar with a code such as ``(b)(6)`` in it."""
    value = int(rng.choice([0, 0, 0, 30, 60, 120, 170, 200]))
    code, ink = str(rng.choice(_CODES)), 255 if value < 130 else 0

    def brush(canvas: Canvas, place: Place) -> None:
        canvas.pen.rectangle(inside(place), fill=value)
        _label(canvas, place, code, ink, rng)
        _mark(canvas, place)

    return brush


def hatched(rng: Generator) -> Brush:
    """Slanted or crossed lines over the text, in a frame or without."""
    step, width = int(rng.integers(5, 15)), int(rng.integers(1, 5))
    ink, crossed, framed = int(between(rng, 0, 90)), rng.random() < 0.4, rng.random() < 0.7
    clears, slope = rng.random() < 0.6, float(rng.choice([1, -1]))
    step = max(step, 2 * width + 1)

    def brush(canvas: Canvas, place: Place) -> None:
        left, top, right, bottom = place
        width_, height = right - left, bottom - top
        patch = Image.new("L", (width_, height), 255) if clears else canvas.page.crop(place)
        pen = ImageDraw.Draw(patch)
        for start in range(-height, width_ + height, step):
            for way in (slope, -slope) if crossed else (slope,):
                ends = (start, start + height) if way > 0 else (start + height, start)
                pen.line((ends[0], 0, ends[1], height), fill=ink, width=width)
        if framed:
            pen.rectangle((0, 0, width_ - 1, height - 1), outline=ink, width=max(1, width - 1))
        canvas.page.paste(patch, (left, top))
        _mark(canvas, place)

    return brush


def rounded(rng: Generator) -> Brush:
    """A dark bar with round corners."""
    value, share = int(between(rng, 0, 80)), between(rng, 0.15, 0.5)

    def brush(canvas: Canvas, place: Place) -> None:
        radius = int(min(_ROUNDEST, share * min(place[2] - place[0], place[3] - place[1])))
        canvas.pen.rounded_rectangle(inside(place), radius, fill=value)
        ImageDraw.Draw(canvas.truth).rounded_rectangle(inside(place), radius, fill=255)

    return brush


def hand_drawn(rng: Generator) -> Brush:
    """A felt marker: an uneven edge, uneven ink, sometimes in several strokes."""
    value, grain = between(rng, 5, 70), between(rng, 2, 16)
    shine = between(rng, 0, 0.25) if rng.random() < 0.6 else 0.0

    def brush(canvas: Canvas, place: Place) -> None:
        left, top, right, bottom = place
        height = bottom - top
        shape = Image.new("L", (right - left, height), 0)
        pen = ImageDraw.Draw(shape)
        strokes = max(1, round(height / between(rng, 16, 40)))
        for stroke in range(strokes):
            middle, half = height * (stroke + 0.5) / strokes, 0.62 * height / strokes
            points = max(3, (right - left) // 25)
            across = np.linspace(0.02, 0.98, points) * (right - left)
            wobble = rng.normal(0, 0.07 * height / strokes, (2, points))
            upper = [(float(x), float(middle - half - w)) for x, w in zip(across, wobble[0], strict=True)]
            lower = [(float(x), float(middle + half + w)) for x, w in zip(across, wobble[1], strict=True)]
            pen.polygon([*upper, *reversed(lower)], fill=255)
        under = canvas.page.crop(place)
        ink = Image.blend(noisy(shape.size, value, grain, rng), under, shine)
        canvas.page.paste(ink, (left, top), shape)
        canvas.truth.paste(255, (left, top), shape)

    return brush


def translucent(rng: Generator) -> Brush:
    """A dark highlighter: the text shows through, but hardly."""
    value, shows = between(rng, 20, 110), between(rng, 0.05, 0.3)

    def brush(canvas: Canvas, place: Place) -> None:
        left, top, right, bottom = place
        under = canvas.page.crop(place)
        canvas.page.paste(Image.blend(noisy((right - left, bottom - top), value, 1, rng), under, shows), (left, top))
        _mark(canvas, place)

    return brush


BRUSHES = {
    "black": black,
    "labelled": labelled,
    "white with outline": white,
    "grey": grey,
    "hand-drawn": hand_drawn,
    "hatched": hatched,
    "rounded": rounded,
    "translucent": translucent,
}
"""All styles, by the names that the card uses."""

WEIGHTS = (0.34, 0.14, 0.12, 0.1, 0.1, 0.07, 0.06, 0.07)
"""How often each style is drawn; black is the commonest in filings."""


def _filled(value: int, outline: int | None = None) -> Brush:
    def brush(canvas: Canvas, place: Place) -> None:
        canvas.pen.rectangle(inside(place), fill=value, outline=outline)
        _mark(canvas, place)

    return brush


def _label(canvas: Canvas, place: Place, code: str, ink: int, rng: Generator) -> None:
    """Write a code into a box, where it fits."""
    left, top, right, bottom = place
    size = int(min(0.75 * (bottom - top), between(rng, 14, 30)))
    letters = any_font(rng, size)
    if not code or size < 8 or letters.getlength(code) > 0.95 * (right - left):
        return
    x = left + 4 if rng.random() < 0.3 else (left + right - letters.getlength(code)) / 2
    y = top + 2 if rng.random() < 0.2 else (top + bottom - 1.2 * size) / 2
    canvas.pen.text((x, y), code, ink, letters)
    if bottom - top > 120 and rng.random() < 0.5:
        for n in range(1, int((bottom - top) / 60)):
            canvas.pen.text((x, top + 60 * n), code, ink, letters)


def _mark(canvas: Canvas, place: Place) -> None:
    ImageDraw.Draw(canvas.truth).rectangle(inside(place), fill=255)
