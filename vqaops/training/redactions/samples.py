"""One training example: a page with redactions and distractors drawn on it, as printed or as scanned."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.random import Generator

from vqaops.training.redactions import brushes, passages
from vqaops.training.redactions.canvas import Canvas, Mark
from vqaops.training.redactions.distractors import MEASURED, draw_distractor
from vqaops.training.redactions.layout import Layout, Place, find_layout
from vqaops.training.redactions.pages import Grey
from vqaops.training.redactions.scans import scan
from vqaops.training.redactions.typed import type_page
from vqaops.training.redactions.visibility import without_invisible

_SCANNED = 0.45
"""Share of the pages that look like scans."""

_SAME_EDGE = 3
"""Pixels by which the edges of bars that touch may differ where they count as one box."""

_OUTLINE, _STEP, _LEVEL = 4, 30, 0.95
"""Of an outline between two bars: its widest in pixels, its least difference to their shade, and the least share of it
that shows."""


@dataclass(frozen=True, slots=True)
class Sample:
    """A page and the truth about it.

    Attributes:
        page: What a reader sees [height, width].
        truth: 255 where the page is redacted, else 0 [height, width].
        redactions: The boxes; bars that touch and have the same edges are one box, unless an outline divides them.
        distractors: The boxes of what only looks like a redaction.
        scanned: Whether the page looks like a scan.
    """

    page: Grey
    truth: Grey
    redactions: list[Mark]
    distractors: list[Mark]
    scanned: bool


def draw_sample(
    page: Grey | None,
    rng: Generator,
    redacted: float = 0.6,
    styles: Sequence[float] = brushes.WEIGHTS,
    distractors: Sequence[str] = MEASURED,
    passage_weights: Sequence[float] = passages.WEIGHTS,
) -> Sample:
    """Draw an example.

    Args:
        page: A page of a document, or None for a typed one.
        rng: Decides everything.
        redacted: Share of the examples that have redactions.
        styles: How often each style of redaction is drawn, in the order of ``brushes.BRUSHES``; the sum is 1.
        distractors: Kinds of distractors that are drawn.
        passage_weights: How often each passage is chosen, in the order of ``passages.PASSAGES``; the sum is 1.
    """
    canvas = Canvas.over(type_page(rng) if page is None else page)
    for _ in range(int(rng.choice([0, 1, 2, 4, 7], p=(0.25, 0.2, 0.2, 0.2, 0.15)))):
        draw_distractor(canvas, str(rng.choice(distractors)), rng)
    if rng.random() < redacted:
        _redact(canvas, find_layout(np.asarray(canvas.page)), rng, styles, passage_weights)
    scanned = rng.random() < _SCANNED
    canvas = without_invisible(scan(canvas, rng) if scanned else canvas)
    return Sample(np.asarray(canvas.page), np.asarray(canvas.truth), canvas.redactions, canvas.distractors, scanned)


def _redact(
    canvas: Canvas, layout: Layout, rng: Generator, styles: Sequence[float], passage_weights: Sequence[float]
) -> None:
    names = list(passages.PASSAGES)
    if rng.random() < 0.05:
        kind = _style(rng, styles)
        _cover(canvas, passages.whole_page(canvas, rng, to_edges=kind == "black"), rng, [], kind)
        return
    style = None if rng.random() < 0.3 else _style(rng, styles)
    for _ in range(int(rng.choice([1, 2, 3, 5, 8, 14], p=(0.25, 0.2, 0.2, 0.15, 0.12, 0.08)))):
        passage = str(rng.choice(names, p=passage_weights))
        # A redaction may hide a part of a photograph or a whole table, but does not end within another distractor.
        solid = [mark for mark in canvas.distractors if mark.kind not in ("photograph", "table")]
        _cover(canvas, passages.PASSAGES[passage](canvas, layout, rng), rng, solid, style or _style(rng, styles))


def _style(rng: Generator, styles: Sequence[float]) -> str:
    return str(rng.choice(list(brushes.BRUSHES), p=styles))


def _cover(canvas: Canvas, bars: list[Place], rng: Generator, solid: list[Mark], kind: str) -> None:
    """Redact a passage in one style, where nothing of it was redacted before."""
    brush, before = brushes.BRUSHES[kind](rng), [*canvas.redactions, *solid]
    width, height = canvas.page.size
    drawn: list[Place] = []
    for left, top, right, bottom in bars:
        place = (max(0, left), max(0, top), min(width, right), min(height, bottom))
        if canvas.is_free(place, before) and not any(_overlap(place, other) for other in drawn):
            brush(canvas, place)
            drawn.append(place)
    # Round corners and outlines show where a bar ends; other bars that touch become one.
    shown = drawn if kind == "rounded" else _joined(drawn, np.asarray(canvas.page))
    canvas.redactions.extend(Mark(place, kind) for place in shown)


def _overlap(one: Place, other: Place) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]


def _joined(places: list[Place], page: Grey) -> list[Place]:
    """Join bars under each other that touch, have the same left and right edge, and have no outline between them."""
    joined: list[Place] = []
    for place in places:
        last = joined[-1] if joined else None
        if (
            last
            and place[1] - last[3] <= 1
            and all(abs(place[n] - last[n]) <= _SAME_EDGE for n in (0, 2))
            and not _is_divided(page, last, place)
        ):
            joined[-1] = (min(last[0], place[0]), last[1], max(last[2], place[2]), place[3])
        else:
            joined.append(place)
    return joined


def _is_divided(page: Grey, upper: Place, lower: Place) -> bool:
    """Whether an outline between two bars can be seen."""
    columns = slice(max(upper[0], lower[0]), min(upper[2], lower[2]))
    shade = float(np.median(page[upper[1] : lower[3], columns]))
    between = page[max(upper[1], lower[1] - _OUTLINE) : min(lower[3], upper[3] + _OUTLINE), columns].astype(np.float32)
    return bool((np.abs(between - shade) >= _STEP).mean(1).max() >= _LEVEL)
