"""Screenshots of programs: windows with dark title bars, empty fields, selected entries and swatches, in manuals."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.random import Generator

from vqaops.training.redactions.canvas import Canvas, any_font, between, inside, shortened, write_lines, write_words
from vqaops.training.redactions.layout import Place

_SMALLEST = 60
"""Width and height in pixels of a panel that something is drawn in."""


@dataclass(frozen=True, slots=True)
class _Look:
    """The shades of one program, and the height of its lines in pixels."""

    face: int
    field: int
    ink: int
    selected: int
    line: int


def screenshot(canvas: Canvas, place: Place, rng: Generator) -> None:
    """A window with a title, perhaps a menu and a toolbar, and one to three panels."""
    left, top, right, bottom = place
    is_dark = rng.random() < 0.25
    look = _Look(
        face=int(between(rng, 20, 75) if is_dark else between(rng, 195, 252)),
        field=int(between(rng, 0, 50) if is_dark else between(rng, 240, 255)),
        ink=int(between(rng, 200, 255) if is_dark else between(rng, 0, 60)),
        selected=int(between(rng, 90, 160) if is_dark else between(rng, 0, 190)),
        line=int(between(rng, 16, 30)),
    )
    _box(canvas, place, look.face, int(between(rng, 0, 150)), int(rng.integers(1, 4)))
    top = _title(canvas, (left, top, right, bottom), look, rng)
    if rng.random() < 0.6:
        _words(canvas, (left + 6, top, right - 6, top + look.line), look, rng)
        top += look.line
    if rng.random() < 0.6:
        top = _toolbar(canvas, (left, top, right, bottom), look, rng)
    edges = [left, *sorted(int(x) for x in rng.uniform(left + 80, right - 80, int(rng.integers(0, 3)))), right]
    for start, end in pairwise(edges):
        panel = (start + 8, top + 6, end - 8, bottom - 8)
        if min(panel[2] - panel[0], panel[3] - panel[1]) >= _SMALLEST:
            _PANELS[int(rng.integers(len(_PANELS)))](canvas, panel, look, rng)


def _title(canvas: Canvas, place: Place, look: _Look, rng: Generator) -> int:
    """The title bar with its buttons; returns where it ends."""
    left, top, right, _ = place
    height = look.line + 8
    shade = int(between(rng, 0, 255))
    _box(canvas, (left, top, right, top + height), shade, shade)
    ink = 255 if shade < 130 else 0
    write_lines(canvas, (left + 8, top + 3, left + int(0.6 * (right - left)), top + height - 2), rng, ink)
    for number in range(int(rng.integers(0, 4))):
        x = right - (number + 1) * height
        _box(canvas, (x + 4, top + 4, x + height - 4, top + height - 4), int(between(rng, 0, 255)), ink)
    return top + height


def _toolbar(canvas: Canvas, place: Place, look: _Look, rng: Generator) -> int:
    left, top, right, _ = place
    side, x = int(between(rng, 14, 40)), left + 6
    while x < right - side - 6:
        icon = (x, top + 4, x + side, top + 4 + side)
        if rng.random() < 0.8:
            draw = canvas.pen.ellipse if rng.random() < 0.3 else canvas.pen.rectangle
            draw(inside(icon), fill=_any_shade(look, rng), outline=look.ink)
        x += side + int(between(rng, 2, 14))
    return top + side + 8


def _entries(canvas: Canvas, place: Place, look: _Look, rng: Generator) -> None:
    """A list or a tree, some entries of which are selected."""
    left, top, right, bottom = place
    _box(canvas, place, look.field, look.ink)
    for y in range(top + 2, bottom - look.line, look.line):
        is_selected = rng.random() < 0.12
        if is_selected:
            _box(canvas, (left + 2, y, right - 2, y + look.line), look.selected, look.selected)
        if rng.random() < 0.9:
            ink = 255 if is_selected and look.selected < 140 else look.ink
            write_lines(canvas, (left + 6 + 10 * int(rng.integers(0, 4)), y + 1, right - 6, y + look.line), rng, ink)


def _form(canvas: Canvas, place: Place, look: _Look, rng: Generator) -> None:
    """Labels with fields, buttons, check boxes, sliders and swatches beside them; many fields are empty."""
    left, top, right, bottom = place
    middle, height = left + int(between(rng, 0.15, 0.5) * (right - left)), int(look.line * between(rng, 1, 1.5))
    shown = int(rng.integers(5))
    for y in range(top, bottom - height - 4, height + int(between(rng, 4, 16))):
        _words(canvas, (left, y, middle - 8, y + height), look, rng)
        kind = shown if rng.random() < 0.6 else int(rng.integers(5))
        end = middle + int(between(rng, 0.3, 1) * (right - middle))
        field = (middle, y, end, y + height)
        if kind == 0:
            _box(canvas, field, look.field, look.ink, int(rng.integers(1, 3)))
            if rng.random() < 0.5:
                _words(canvas, (middle + 5, y + 2, end - 5, y + height), look, rng)
        elif kind == 1:
            shade = int(between(rng, 90, 235))
            canvas.pen.rounded_rectangle((middle, y, end - 1, y + height - 1), 6, fill=shade, outline=look.ink)
            write_lines(canvas, (middle + 8, y + 2, end - 8, y + height), rng, 255 if shade < 130 else 0)
        elif kind == 2:
            _box(canvas, (middle, y + 3, middle + height - 6, y + height - 3), _any_shade(look, rng), look.ink)
        elif kind == 3:
            done = middle + int(between(rng, 0, 1) * (end - middle))
            _box(canvas, field, look.field, look.ink)
            _box(canvas, (middle, y, max(done, middle + 4), y + height), look.selected, look.ink)
        else:
            _box(canvas, field, int(between(rng, 0, 255)), look.ink)


def _terminal(canvas: Canvas, place: Place, look: _Look, rng: Generator) -> None:
    """Lines of light letters on black."""
    del look
    left, top, right, bottom = place
    _box(canvas, place, int(between(rng, 0, 40)), 0)
    size = int(between(rng, 12, 22))
    letters = any_font(rng, size)
    for y in range(top + 4, bottom - size - 4, int(1.3 * size)):
        text = shortened(write_words(rng, int(rng.integers(1, 9))), letters, right - left - 12)
        canvas.pen.text((left + 6, y), text, int(between(rng, 150, 255)), letters)


def _swatches(canvas: Canvas, place: Place, look: _Look, rng: Generator) -> None:
    """A grid of filled squares, as of colours or of keys."""
    left, top, right, bottom = place
    width, height, gap = int(between(rng, 14, 90)), int(between(rng, 14, 40)), int(between(rng, 1, 14))
    for y in range(top, bottom - height, height + gap):
        for x in range(left, right - width, width + gap):
            _box(canvas, (x, y, x + width, y + height), _any_shade(look, rng), look.ink)


def _tracks(canvas: Canvas, place: Place, look: _Look, rng: Generator) -> None:
    """Bars and waves along tracks, as of audio and video editors and of plans."""
    left, top, right, bottom = place
    height = int(between(rng, 20, 70))
    for y in range(top, bottom - height, height + int(between(rng, 2, 10))):
        _box(canvas, (left, y, right, y + height), look.field, look.ink)
        if rng.random() < 0.5:
            x = left + 4
            while x < right - 12:
                end = min(right - 4, x + int(between(rng, 10, 200)))
                _box(canvas, (x, y + 3, end, y + height - 3), _any_shade(look, rng), look.ink)
                x = end + int(between(rng, 2, 80))
        else:
            half = height / 2
            tall = np.abs(np.cumsum(rng.normal(0, 0.2, right - left)) % 2 - 1) * (half - 2)
            for number, size in enumerate(map(float, tall)):
                canvas.pen.line((left + number, y + half - size, left + number, y + half + size), fill=look.selected)


def _text(canvas: Canvas, place: Place, look: _Look, rng: Generator) -> None:
    """A page of an editor, of which a stretch may be selected."""
    left, top, right, bottom = place
    _box(canvas, place, look.field, look.ink)
    write_lines(canvas, (left + 6, top + 4, right - 6, bottom - 4), rng, look.ink)
    if rng.random() < 0.4:
        y = int(between(rng, top, bottom - look.line))
        _box(canvas, (left + 6, y, right - 6, y + look.line), look.selected, look.selected)
        write_lines(canvas, (left + 8, y + 1, right - 8, y + look.line), rng, 255 if look.selected < 140 else 0)


_PANELS: tuple[Callable[[Canvas, Place, _Look, Generator], None], ...] = (
    _entries,
    _form,
    _form,
    _terminal,
    _swatches,
    _tracks,
    _text,
)


def _words(canvas: Canvas, place: Place, look: _Look, rng: Generator) -> None:
    write_lines(canvas, (place[0], place[1] + 2, place[2], place[3]), rng, look.ink)


def _any_shade(look: _Look, rng: Generator) -> int:
    return int(rng.choice([look.face, look.field, look.ink, look.selected, int(rng.integers(0, 256))]))


def _box(canvas: Canvas, place: Place, fill: int, outline: int, width: int = 1) -> None:
    if place[2] - place[0] > 1 and place[3] - place[1] > 1:
        canvas.pen.rectangle(inside(place), fill=fill, outline=outline, width=width)
