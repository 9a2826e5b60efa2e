"""Diagrams: flow charts, plans with bars, and grids of cells, with boxes that are empty or filled."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

from numpy.random import Generator

from vqaops.training.redactions.canvas import Canvas, between, write_lines
from vqaops.training.redactions.layout import Place


def diagram(canvas: Canvas, place: Place, rng: Generator) -> None:
    """One of the kinds."""
    canvas.pen.rectangle(place, fill=255)
    _KINDS[int(rng.integers(len(_KINDS)))](canvas, place, rng)


def _flow_chart(canvas: Canvas, place: Place, rng: Generator) -> None:
    """Boxes that lines join, with words or without, some of them grey or dark."""
    left, top, right, bottom = place
    across, down = int(rng.integers(2, 6)), int(rng.integers(2, 6))
    pitch = ((right - left) / across, (bottom - top) / down)
    size = (int(between(rng, 0.35, 0.8) * pitch[0]), int(between(rng, 0.3, 0.7) * pitch[1]))
    width, worded = int(rng.integers(1, 4)), between(rng, 0, 1)
    fills = [255, 255, int(between(rng, 0, 255))]
    spots = [(left + int(x * pitch[0]), top + int(y * pitch[1])) for y in range(down) for x in range(across)]
    spots = [spot for spot in spots if rng.random() < 0.75]
    middles = [(x + size[0] / 2, y + size[1] / 2) for x, y in spots]
    for start, end in pairwise(middles):
        canvas.pen.line((*start, end[0], start[1], *end), fill=0, width=width)
    for x, y in spots:
        fill, box = int(rng.choice(fills)), (x, y, x + size[0] - 1, y + size[1] - 1)
        draw = canvas.pen.ellipse if rng.random() < 0.15 else canvas.pen.rectangle
        draw(box, fill=fill, outline=0, width=width)
        if rng.random() < worded:
            line = min(size[1] - 8, 30)
            middle = y + (size[1] - line) // 2
            write_lines(canvas, (x + 6, middle, x + size[0] - 6, middle + line), rng, 255 if fill < 130 else 0)


def _plan(canvas: Canvas, place: Place, rng: Generator) -> None:
    """Labels with bars beside them, along an axis: a plan, or a bar chart that lies down."""
    left, top, right, bottom = place
    start, height = left + int(between(rng, 0.1, 0.4) * (right - left)), int(between(rng, 18, 40))
    from_axis, fill = rng.random() < 0.5, int(between(rng, 0, 200))
    for y in range(top, bottom - height, height + int(between(rng, 3, 14))):
        write_lines(canvas, (left, y, start - 10, y + height), rng, 0)
        begin = start if from_axis else int(between(rng, start, right - 40))
        end = int(between(rng, begin + 6, right))
        canvas.pen.rectangle((begin, y, end, y + height - 1), fill=fill if rng.random() < 0.8 else 255, outline=0)
    canvas.pen.line((start, top, start, bottom, right, bottom), fill=0, width=2)


def _cells(canvas: Canvas, place: Place, rng: Generator) -> None:
    """A grid whose cells are empty, filled or lettered: a memory map, a keyboard, a puzzle."""
    left, top, right, bottom = place
    width, height = int(between(rng, 16, 90)), int(between(rng, 16, 50))
    gap, filled, lettered = int(rng.choice([0, 0, 3, 8])), between(rng, 0, 0.6), between(rng, 0, 1)
    shade = int(between(rng, 0, 200))
    for y in range(top, bottom - height, height + gap):
        for x in range(left, right - width, width + gap):
            fill = shade if rng.random() < filled else 255
            canvas.pen.rectangle((x, y, x + width, y + height), fill=fill, outline=0)
            if rng.random() < lettered:
                write_lines(canvas, (x + 3, y + 2, x + width - 3, y + height - 2), rng, 255 if fill < 130 else 0)


_KINDS: tuple[Callable[[Canvas, Place, Generator], None], ...] = (_flow_chart, _plan, _cells)
