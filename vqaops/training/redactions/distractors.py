"""What looks like a redaction and is none: headings in white on black, barcodes, screenshots, tables, ..."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache
from itertools import pairwise

import numpy as np
from numpy.random import Generator
from PIL import Image
from skimage import data

from vqaops.training.redactions.canvas import (
    Canvas,
    Mark,
    any_font,
    between,
    inside,
    shortened,
    write_lines,
    write_words,
)
from vqaops.training.redactions.diagrams import diagram
from vqaops.training.redactions.layout import Place
from vqaops.training.redactions.pages import Grey
from vqaops.training.redactions.screenshots import screenshot

Distractor = Callable[[Canvas, Place, Generator], None]
"""Draws over a place that was cleared."""


def heading(canvas: Canvas, place: Place, rng: Generator) -> None:
    """Words in white on black or dark grey: a title, or lines that fill their band."""
    left, top, right, bottom = place
    canvas.pen.rectangle(inside(place), fill=int(between(rng, 0, 120)))
    if rng.random() < 0.5:
        write_lines(canvas, (left + 6, top, right - 6, bottom), rng, 255)
        return
    letters = any_font(rng, int(between(rng, 0.4, 0.75) * (bottom - top)))
    title = shortened(write_words(rng, int(rng.integers(2, 8))).capitalize(), letters, right - left - 12)
    x = left + between(rng, 5, 30) if rng.random() < 0.7 else (left + right - letters.getlength(title)) / 2
    canvas.pen.text((x, (top + bottom) / 2), title, 255, letters, anchor="lm")


def filled_cell(canvas: Canvas, place: Place, rng: Generator) -> None:
    """A panel in light grey with text, as of program code or notes."""
    value = int(between(rng, 150, 245))
    outline = None if rng.random() < 0.5 else int(between(rng, 0, 160))
    canvas.pen.rectangle(inside(place), fill=value, outline=outline)
    write_lines(canvas, (place[0] + 6, place[1] + 4, place[2] - 6, place[3] - 4), rng, int(between(rng, 0, 60)))


def frame(canvas: Canvas, place: Place, rng: Generator) -> None:
    """A box with text in it, as of forms."""
    width = int(rng.integers(1, 5))
    canvas.pen.rectangle(inside(place), outline=0, width=width)
    write_lines(canvas, (place[0] + 8, place[1] + 6, place[2] - 8, place[3] - 6), rng, 0)


def table(canvas: Canvas, place: Place, rng: Generator) -> None:
    """Rules, a dark or grey heading, striped or empty rows."""
    left, top, right, bottom = place
    height, columns = int(between(rng, 24, 46)), int(rng.integers(2, 7))
    edges = [left, *sorted(int(x) for x in rng.uniform(left + 40, right - 40, columns - 1)), right - 1]
    dark_head, stripe = rng.random() < 0.5, int(between(rng, 190, 255))
    has_rules, rule, fills = rng.random() < 0.75, int(rng.integers(1, 4)), between(rng, 0.4, 1)
    for number, y in enumerate(range(top, bottom - height + 1, height)):
        fill = (int(between(rng, 0, 90)) if dark_head else 215) if number == 0 else (stripe if number % 2 else 255)
        canvas.pen.rectangle((left, y, right - 1, y + height - 1), fill=fill)
        for start, end in pairwise(edges):
            if has_rules:
                canvas.pen.rectangle((start, y, end, y + height), outline=0, width=rule)
            if number == 0 or rng.random() < fills:
                write_lines(canvas, (start + 5, y + 3, end - 5, y + height - 3), rng, 255 if fill < 130 else 0)


def barcode(canvas: Canvas, place: Place, rng: Generator) -> None:
    """Upright bars, with digits under them or without."""
    left, top, right, bottom = place
    canvas.pen.rectangle(place, fill=255)
    unit, x = int(rng.integers(2, 5)), left + 6
    while x < right - 6:
        width = unit * int(rng.integers(1, 4))
        canvas.pen.rectangle((x, top + 4, min(x + width - 1, right - 6), bottom - 18), fill=0)
        x += width + unit * int(rng.integers(1, 4))
    canvas.pen.text((left + 8, bottom - 16), "".join(map(str, rng.integers(0, 10, 12))), 0, any_font(rng, 13))


def matrix_code(canvas: Canvas, place: Place, rng: Generator) -> None:
    """A square code such as a QR code."""
    side = min(place[2] - place[0], place[3] - place[1], 220)
    cells = int(rng.choice([21, 25, 29, 33]))
    bits = rng.random((cells, cells)) < 0.5
    finder = np.pad(np.pad(np.ones((3, 3), bool), 1), 1, constant_values=True)
    for rows, columns in ((slice(0, 7), slice(0, 7)), (slice(0, 7), slice(-7, None)), (slice(-7, None), slice(0, 7))):
        bits[rows, columns] = finder
    picture = Image.fromarray(np.where(bits, 0, 255).astype(np.uint8))
    canvas.page.paste(picture.resize((side, side), Image.Resampling.NEAREST), place[:2])


def figure(canvas: Canvas, place: Place, rng: Generator) -> None:
    """A bar chart, a pie, a dark plot or solid shapes."""
    canvas.pen.rectangle(place, fill=255)
    _FIGURES[int(rng.integers(len(_FIGURES)))](canvas, place, rng)


def _bar_chart(canvas: Canvas, place: Place, rng: Generator) -> None:
    left, top, right, bottom = place
    canvas.pen.line((left, top, left, bottom, right, bottom), fill=0, width=2)
    width = int(between(rng, 10, 40))
    for x in range(left + 10, right - width, width + int(between(rng, 4, 30))):
        height = between(rng, 0.1, 0.95) * (bottom - top)
        canvas.pen.rectangle((x, bottom - height, x + width, bottom), fill=int(rng.choice([0, 40, 90, 150, 200])))


def _pie(canvas: Canvas, place: Place, rng: Generator) -> None:
    left, top, right, bottom = place
    side, angle = min(right - left, bottom - top), 0.0
    while angle < 350:
        share = between(rng, 20, 140)
        canvas.pen.pieslice(
            (left, top, left + side, top + side), angle, angle + share, fill=int(rng.integers(0, 230)), outline=0
        )
        angle += share


def _dark_plot(canvas: Canvas, place: Place, rng: Generator) -> None:
    left, top, right, bottom = place
    canvas.pen.rectangle(inside(place), fill=int(between(rng, 0, 70)))
    across = np.linspace(left, right - 1, 60)
    for _ in range(int(rng.integers(2, 6))):
        waves = np.sin(np.linspace(0, between(rng, 2, 20), 60) + between(rng, 0, 6))
        down = top + (bottom - top) * (0.5 + 0.4 * waves)
        line = [(float(x), float(y)) for x, y in zip(across, down, strict=True)]
        canvas.pen.line(line, fill=int(between(rng, 120, 255)), width=2)
    write_lines(canvas, (left + 8, top + 4, right - 8, min(bottom, top + 60)), rng, 230)


def _solid_shapes(canvas: Canvas, place: Place, rng: Generator) -> None:
    left, top, right, bottom = place
    for _ in range(int(rng.integers(1, 6))):
        radius = between(rng, 8, 0.4 * min(right - left, bottom - top))
        x, y = between(rng, left + radius, right - radius), between(rng, top + radius, bottom - radius)
        shade = int(rng.choice([0, 0, 60, 130]))
        if rng.random() < 0.5:
            canvas.pen.ellipse((x - radius, y - radius, x + radius, y + radius), fill=shade)
        else:
            canvas.pen.regular_polygon((x, y, radius), int(rng.choice([3, 5, 6])), between(rng, 0, 90), fill=shade)


_FIGURES = (_bar_chart, _pie, _dark_plot, _solid_shapes)


def logo(canvas: Canvas, place: Place, rng: Generator) -> None:
    """A letter or a word cut out of a dark disc or square."""
    left, top, right, bottom = place
    side = min(right - left, bottom - top, 160)
    shade, square = int(between(rng, 0, 110)), (left, top, left + side, top + side)
    (canvas.pen.ellipse if rng.random() < 0.6 else canvas.pen.rectangle)(square, fill=shade)
    letters = any_font(rng, int(side * between(rng, 0.3, 0.7)))
    canvas.pen.text((left + side / 2, top + side / 2), write_words(rng, 1)[:3].upper(), 255, letters, anchor="mm")


def photograph(canvas: Canvas, place: Place, rng: Generator) -> None:
    """A photograph, of which scikit-image ships some."""
    left, top, right, bottom = place
    photos = _photographs()
    photo = photos[int(rng.integers(len(photos)))]
    if rng.random() < 0.5:
        photo = photo[:, ::-1]
    height = int((right - left) * photo.shape[0] / photo.shape[1])
    fitted = Image.fromarray(photo).resize((right - left, height))
    canvas.page.paste(fitted.crop((0, 0, right - left, min(height, bottom - top))), (left, top))


def rules(canvas: Canvas, place: Place, rng: Generator) -> None:
    """Thick and thin rules, and text that is underlined or struck out."""
    left, top, right, bottom = place
    y = top + 10
    while y < bottom - 30:
        size = int(between(rng, 18, 28))
        write_lines(canvas, (left, y, right, y + size + 4), rng, 0)
        width = int(rng.integers(1, 9))
        line_y = y + (size * 0.6 if rng.random() < 0.3 and width < 4 else size + 6)
        canvas.pen.line((left, line_y, left + between(rng, 0.2, 1) * (right - left), line_y), fill=0, width=width)
        y += size + 24


def highlight(canvas: Canvas, place: Place, rng: Generator) -> None:
    """Text under a light highlighter, which stays readable."""
    left, top, right, bottom = place
    size = int(between(rng, 18, 26))
    for y in range(top, bottom - size - 6, size + 10):
        end = left + between(rng, 0.3, 1) * (right - left)
        canvas.pen.rectangle((left, y, end, y + size + 4), fill=int(between(rng, 165, 235)))
        write_lines(canvas, (left, y, int(end), y + size + 4), rng, 0)


def blots(canvas: Canvas, place: Place, rng: Generator) -> None:
    """Punch holes, ink blots, check boxes, bullets and scribbles."""
    left, top, right, bottom = place
    for _ in range(int(rng.integers(1, 8))):
        radius = between(rng, 4, 20)
        x, y = between(rng, left, right), between(rng, top, bottom)
        kind = int(rng.integers(4))
        if kind == 0:
            canvas.pen.ellipse((x - radius, y - radius, x + radius, y + radius), fill=int(between(rng, 0, 60)))
        elif kind == 1:
            canvas.pen.rectangle((x, y, x + radius, y + radius), outline=0, width=2)
        elif kind == 2:
            canvas.pen.rectangle((x, y, x + radius / 2, y + radius / 2), fill=0)
        else:
            turns = np.linspace(0, between(rng, 6, 40), 80)
            line = [(x + 2 * t * 3 + radius * math.sin(t), y + radius * math.sin(1.3 * t)) for t in map(float, turns)]
            canvas.pen.line(line, fill=int(between(rng, 0, 90)), width=int(rng.integers(1, 4)))


DISTRACTORS: dict[str, tuple[Distractor, tuple[int, int], tuple[int, int]]] = {
    "heading in white on black": (heading, (150, 1000), (26, 70)),
    "filled cell with text": (filled_cell, (120, 1000), (30, 300)),
    "frame with text": (frame, (100, 900), (34, 250)),
    "table": (table, (350, 1000), (120, 500)),
    "barcode": (barcode, (150, 420), (60, 160)),
    "matrix code": (matrix_code, (80, 220), (80, 220)),
    "dark figure": (figure, (180, 700), (120, 400)),
    "logo": (logo, (60, 160), (60, 160)),
    "photograph": (photograph, (180, 800), (150, 600)),
    "rules and underlines": (rules, (200, 900), (60, 250)),
    "light highlight": (highlight, (150, 800), (40, 200)),
    "blots and check boxes": (blots, (100, 500), (60, 300)),
    "screenshot": (screenshot, (300, 1000), (200, 700)),
    "diagram": (diagram, (250, 900), (120, 500)),
}
"""All kinds by the names that the card uses, with the ranges of their widths and heights in pixels."""

MEASURED = tuple(kind for kind in DISTRACTORS if kind not in ("screenshot", "diagram"))
"""Those that are drawn where a network is calibrated or measured. A dark bar or an empty field of a drawn screenshot or
diagram may be a redaction to a reader too, so these two kinds only make a network careful in its training."""

LOOKALIKES = ("table", "filled cell with text", "frame with text", "light highlight", "screenshot", "diagram")
"""Those that are closest to a white, labelled or grey redaction."""


def draw_distractor(canvas: Canvas, kind: str, rng: Generator) -> None:
    """Draw one where nothing was drawn yet; what the page has there is cleared away."""
    draw, widths, heights = DISTRACTORS[kind]
    across, down = int(between(rng, *widths)), int(between(rng, *heights))
    room = (canvas.page.width - across, canvas.page.height - down)
    if min(room) <= 0:
        return
    left, top = int(rng.integers(room[0])), int(rng.integers(room[1]))
    place = (left, top, left + across, top + down)
    if canvas.is_free(place):
        canvas.pen.rectangle((left - 6, top - 6, left + across + 6, top + down + 6), fill=255)
        draw(canvas, place, rng)
        canvas.distractors.append(Mark(place, kind))


@lru_cache(maxsize=1)
def _photographs() -> list[Grey]:
    names = ("astronaut", "coffee", "chelsea", "rocket", "camera", "coins", "moon", "page", "text", "brick", "grass")
    pictures = []
    for name in names:
        picture = np.asarray(getattr(data, name)())
        pictures.append(np.asarray(Image.fromarray(picture).convert("L")))
    return pictures
