"""What of a page is redacted: words, lines, paragraphs, figures, or all of it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.random import Generator

from vqaops.training.redactions.canvas import Canvas, between
from vqaops.training.redactions.layout import Layout, Place, content

_NARROWEST = 20
"""Pixels at 150 dpi: a bar over less than two letters is not told from a bullet."""

_TO_EDGE = 12
"""Pixels of paper that show around a box over a whole page."""

Passage = Callable[[Canvas, Layout, Generator], list[Place]]
"""Chooses the bars of one redacted passage; none if the page has no such place."""


def words(canvas: Canvas, layout: Layout, rng: Generator) -> list[Place]:
    """A word, or a part of one."""
    del canvas
    if not layout.words:
        return []
    left, top, right, bottom = layout.words[int(rng.integers(len(layout.words)))]
    if rng.random() < 0.2:
        left += int(min(between(rng, 0, 0.5) * (right - left), right - left - _NARROWEST))
    return [_padded((left, top, right, bottom), rng)]


def part_of_line(canvas: Canvas, layout: Layout, rng: Generator) -> list[Place]:
    """One or several stretches of a line."""
    del canvas
    if not layout.lines:
        return []
    left, top, right, bottom = layout.lines[int(rng.integers(len(layout.lines)))]
    bars, x = [], float(left)
    while x < right:
        width = max(_NARROWEST, between(rng, 0.1, 0.7) * (right - left))
        if rng.random() < 0.5 and right - x >= _NARROWEST:
            bars.append(_padded((int(x), top, int(min(right, x + width)), bottom), rng))
        x += width + between(rng, 12, 40)
    return bars


def lines(canvas: Canvas, layout: Layout, rng: Generator) -> list[Place]:
    """Successive lines, a bar each, which touch or have gaps; the first and last may be partly readable."""
    del canvas
    run = _run(layout, rng, 20)
    if not run:
        return []
    pad = between(rng, 1, 5)
    places = [(left - pad, top - pad, right + pad, bottom + pad) for left, top, right, bottom in run]
    if rng.random() < 0.4:  # all as wide as the column
        left, right = min(one[0] for one in places), max(one[2] for one in places)
        places = [(left, one[1], right, one[3]) for one in places]
    if rng.random() < 0.4:
        first, last = places[0], places[-1]
        places[0] = (first[0] + between(rng, 0, 0.6) * (first[2] - first[0]), *first[1:])
        places[-1] = (*places[-1][:2], last[2] - between(rng, 0, 0.6) * (last[2] - last[0]), last[3])
    touching = rng.random() < 0.35
    bars: list[Place] = []
    for number, (left, top, right, bottom) in enumerate(places):
        if number + 1 < len(places):
            following = places[number + 1][1]
            # Bars that overlap would be one shape; these touch, or leave a gap that can be seen.
            bottom = following if touching else min(bottom, following - between(rng, 3, 6))
        bars.append((int(left), round(top), int(right), round(bottom)))
    return bars


def block(canvas: Canvas, layout: Layout, rng: Generator) -> list[Place]:
    """A box over several lines."""
    del canvas
    run = _run(layout, rng, 40)
    if not run:
        return []
    left, right = min(one[0] for one in run), max(one[2] for one in run)
    return [_padded((left, run[0][1], right, run[-1][3]), rng)]


def column(canvas: Canvas, layout: Layout, rng: Generator) -> list[Place]:
    """Words under each other, as in a column of a table or a list of names."""
    del canvas
    if not layout.words:
        return []
    left = layout.words[int(rng.integers(len(layout.words)))][0]
    under = sorted((word for word in layout.words if abs(word[0] - left) < 8), key=lambda word: word[1])
    start = int(rng.integers(len(under)))
    width = int(between(rng, 50, 260))
    kept = under[start : start + int(rng.integers(2, 14))]
    if rng.random() < 0.5:
        return [_padded(word, rng) for word in kept]
    return [_padded((left, word[1], left + width, word[3]), rng) for word in kept]


def anywhere(canvas: Canvas, layout: Layout, rng: Generator) -> list[Place]:
    """A box of any size, over figures, photographs, margins or signatures."""
    del layout
    width, height = canvas.page.size
    across, down = between(rng, 0.03, 0.5) * width, between(rng, 0.015, 0.3) * height
    left, top = between(rng, 0.02, 0.95) * (width - across), between(rng, 0.02, 0.95) * (height - down)
    return [(int(left), int(top), int(left + across), int(top + down))]


def photograph(canvas: Canvas, layout: Layout, rng: Generator) -> list[Place]:
    """A part of a photograph, such as a face, or all of it."""
    del layout
    shown = [mark.place for mark in canvas.distractors if mark.kind == "photograph"]
    if not shown:
        return []
    left, top, right, bottom = shown[int(rng.integers(len(shown)))]
    across, down = between(rng, 0.2, 0.9) * (right - left), between(rng, 0.15, 0.9) * (bottom - top)
    x, y = left + between(rng, 0, 1) * (right - left - across), top + between(rng, 0, 1) * (bottom - top - down)
    return [(int(x), int(y), int(x + across), int(y + down))]


def whole_page(canvas: Canvas, rng: Generator, *, to_edges: bool) -> list[Place]:
    """All text of the page in one box, or the page from edge to edge.

    Args:
        canvas: The page.
        rng: Decides everything else.
        to_edges: Whether the box may reach the page's edges. Only a black page is told from a blank or a tinted one.
    """
    width, height = canvas.page.size
    if to_edges and rng.random() < 0.25:
        return [(0, 0, width, height)]
    left, top, right, bottom = content(np.asarray(canvas.page))
    if bottom - top < 0.4 * height or right - left < 0.4 * width or rng.random() < 0.3:
        margin = between(rng, 0.03, 0.12)
        left, top, right, bottom = (
            int(margin * width),
            int(margin * height),
            int((1 - margin) * width),
            int((1 - margin) * height),
        )
    return [
        (
            max(_TO_EDGE, left - 5),
            max(_TO_EDGE, top - 5),
            min(width - _TO_EDGE, right + 5),
            min(height - _TO_EDGE, bottom + 5),
        )
    ]


PASSAGES: dict[str, Passage] = {
    "words": words,
    "part of a line": part_of_line,
    "lines": lines,
    "block": block,
    "column": column,
    "anywhere": anywhere,
    "photograph": photograph,
}
"""All passages except the whole page, which leaves no place for others."""

WEIGHTS = (0.22, 0.16, 0.22, 0.14, 0.1, 0.1, 0.06)
"""How often each passage is chosen."""

LARGE = (0.0, 0.0, 0.1, 0.4, 0.0, 0.3, 0.2)
"""The same, mostly for boxes over paragraphs, figures and photographs."""


def _padded(place: Place, rng: Generator) -> Place:
    across, down = between(rng, 0, 5), between(rng, 0, 5)
    return (int(place[0] - across), int(place[1] - down), int(place[2] + across), int(place[3] + down))


def _run(layout: Layout, rng: Generator, most: int) -> list[Place]:
    """Successive lines of one column."""
    if not layout.lines:
        return []
    start = int(rng.integers(len(layout.lines)))
    run = [layout.lines[start]]
    for line in layout.lines[start + 1 :]:
        if len(run) >= most or line[1] - run[-1][3] > 60:
            break
        if line[1] >= run[-1][3] - 2 and line[0] < run[0][2] and line[2] > run[0][0]:
            run.append(line)
    wanted = int(rng.integers(2, most + 1))
    return run[: max(2, min(wanted, int(rng.integers(2, 8))))] if rng.random() < 0.7 else run[:wanted]
