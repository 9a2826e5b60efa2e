"""From the cells that the network marks to boxes whose edges are those on the page."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

Grey = NDArray[np.uint8]
Mask = NDArray[np.bool_]

_FEWEST_CELLS = 8
_SHORTEST, _SMALLEST = 5, 80
"""Pixels of a side and of an area; a short word in small print has 10 x 12."""

_REACH = 7
"""Pixels at 150 dpi by which an edge can be off in the network's cells, about two cells."""

_PLAIN = 0.55
"""Share of a box that has the box's own shade, from which on the shade tells where it ends."""

_FAINTEST, _FAINT = 18, 60
"""Differences of a bar's shade to that of the paper."""

_UPRIGHT = 0.85
"""Share of its box that a bar fills, unless it is tilted."""

_SPECK = 0.02
"""Share of the largest part, below which a part of a bar is a speck."""

_SAME_EDGE = 4
_SHORTEST_RUN = 9


@dataclass(frozen=True, slots=True)
class Outline:
    """A box in pixels of the page, and the mean probability of its cells."""

    left: int
    top: int
    right: int
    bottom: int
    probability: float


def find_outlines(cells: NDArray[np.float32], page: Grey, threshold: float) -> list[Outline]:
    """Find the boxes of a page, from top to bottom.

    Args:
        cells: Probability of each cell that the page covers [rows, columns].
        page: The page in its own resolution [height, width].
        threshold: A cell belongs to a box from this probability on.
    """
    marked = cells >= threshold
    labels, _ = ndimage.label(marked)
    across, down = page.shape[1] / cells.shape[1], page.shape[0] / cells.shape[0]
    found = []
    for number, (rows, columns) in enumerate(ndimage.find_objects(labels), 1):
        own = labels[rows, columns] == number
        if np.count_nonzero(own) < _FEWEST_CELLS:
            continue
        probability = float(cells[rows, columns][own].mean())
        area = (columns.start * across, rows.start * down, columns.stop * across, rows.stop * down)
        found += [Outline(*place, probability) for place in refined(page, own, area)]
    return sorted(connected(found, page), key=lambda one: (one.top, one.left))


def connected(outlines: list[Outline], page: Grey) -> list[Outline]:
    """Join two boxes that are one bar with a code in it: above and below the code, the bar goes on."""
    joined: list[Outline] = []
    for one in sorted(outlines, key=lambda outline: outline.left):
        for number, other in enumerate(joined):
            if _is_one_bar(other, one, page):
                probability = (one.probability + other.probability) / 2
                joined[number] = Outline(other.left, other.top, max(one.right, other.right), other.bottom, probability)
                break
        else:
            joined.append(one)
    return joined


def _is_one_bar(left: Outline, right: Outline, page: Grey) -> bool:
    if abs(left.top - right.top) > _SAME_EDGE or abs(left.bottom - right.bottom) > _SAME_EDGE:
        return False
    top, bottom = max(left.top, right.top), min(left.bottom, right.bottom)
    if right.left < left.right or bottom - top < 2 * _SHORTEST:
        return False
    shade = float(np.median(page[top:bottom, left.left : left.right]))
    edges = np.concatenate([page[top + 1 : top + 4], page[bottom - 4 : bottom - 1]])[:, left.right - 1 : right.left + 1]
    return bool(np.mean(np.abs(edges - shade) < 30) > 0.97)


def refined(page: Grey, own: Mask, area: tuple[float, float, float, float]) -> Iterator[tuple[int, int, int, int]]:
    """The boxes that one connected set of cells stands for.

    Args:
        page: The page.
        own: The set's cells within their box.
        area: That box in pixels of the page.
    """
    height, width = page.shape
    left, top = max(0, int(area[0]) - _REACH), max(0, int(area[1]) - _REACH)
    right, bottom = min(width, int(area[2]) + _REACH + 1), min(height, int(area[3]) + _REACH + 1)
    crop = page[top:bottom, left:right]
    rows = (np.arange(top, bottom) + 0.5 - area[1]) / (area[3] - area[1]) * own.shape[0]
    columns = (np.arange(left, right) + 0.5 - area[0]) / (area[2] - area[0]) * own.shape[1]
    inside = own[rows.clip(0, own.shape[0] - 1).astype(int)][:, columns.clip(0, own.shape[1] - 1).astype(int)]
    inside &= ((rows >= 0) & (rows < own.shape[0]))[:, None] & ((columns >= 0) & (columns < own.shape[1]))
    if not inside.any():  # fewer pixels than cells: the page is smaller than the network's input
        return
    filled = _filled(crop, inside)
    pieces = list(_pieces(filled)) if filled is not None else [_snapped(crop, inside)]
    for x0, y0, x1, y1 in pieces:
        if min(x1 - x0, y1 - y0) >= _SHORTEST and (x1 - x0) * (y1 - y0) >= _SMALLEST:
            yield (left + x0, top + y0, left + x1, top + y1)


def _filled(crop: Grey, inside: Mask) -> Mask | None:
    """The pixels of a plain bar, holes such as a white code filled; None if the box has no one shade."""
    near: Mask = ndimage.maximum_filter(inside, 2 * _REACH - 1)
    around = near & ~inside
    shades = crop[inside]
    shade = float(np.median(shades))
    paper = float(np.percentile(crop[around], 80)) if around.any() else 255.0
    if paper - shade < _FAINTEST or np.mean(np.abs(shades - shade) < 30) < _PLAIN:
        return None
    if paper - shade < _FAINT:  # the grain of a scan is as strong as the bar
        crop = ndimage.uniform_filter(crop, 5)
    dark: Mask = (crop < (shade + paper) / 2) & near
    filled: Mask = ndimage.binary_fill_holes(dark)
    # Letters that touch the bar, and rules that lead to it, are thinner than any bar: a morphological opening.
    thick = ndimage.minimum_filter(filled, _SHORTEST, mode="nearest")
    opened: Mask = ndimage.maximum_filter(thick, _SHORTEST, mode="nearest") & filled
    return opened if opened.any() else None


def _pieces(bars: Mask) -> Iterator[tuple[int, int, int, int]]:
    """The boxes of the connected parts of a bar's pixels; small specks are left out."""
    labels, _ = ndimage.label(bars)
    sizes = np.bincount(labels.ravel())[1:]
    for number, (rows, columns) in enumerate(ndimage.find_objects(labels), 1):
        if sizes[number - 1] >= _SPECK * sizes.max():
            piece = labels[rows, columns] == number
            for x0, y0, x1, y1 in _stacked(piece):
                left, top, right, bottom = _trimmed(piece[y0:y1, x0:x1])
                x, y = columns.start + x0, rows.start + y0
                yield (x + left, y + top, x + right, y + bottom)


def _trimmed(piece: Mask) -> tuple[int, int, int, int]:
    """The box of a piece without the letters at its sides; of a tilted one, the whole box."""
    if piece.mean() < _UPRIGHT:
        return (0, 0, piece.shape[1], piece.shape[0])
    (top, bottom), (left, right) = (_dense(piece.mean(axis)) for axis in (1, 0))
    return (left, top, right, bottom)


def _dense(shares: NDArray[np.float64]) -> tuple[int, int]:
    """The first and last row that is nearly as full as most are; at most ``_REACH`` rows are cut off at each end."""
    full = np.flatnonzero(shares >= 0.8 * np.median(shares))
    return min(int(full[0]), _REACH), max(int(full[-1]) + 1, len(shares) - _REACH)


def _stacked(piece: Mask) -> Iterator[tuple[int, int, int, int]]:
    """Split bars under each other that touch, where their left or right edges differ."""
    height, width = piece.shape
    whole = (0, 0, width, height)
    if piece.mean() > 0.94 or height < 2 * _SHORTEST_RUN:
        yield whole
        return
    lefts, rights = piece.argmax(1), width - piece[:, ::-1].argmax(1)
    jumps = (np.abs(np.diff(lefts)) > _SAME_EDGE) | (np.abs(np.diff(rights)) > _SAME_EDGE)
    edges = [0, *(int(row) + 1 for row in np.flatnonzero(jumps)), height]
    runs = [(a, b) for a, b in pairwise(edges) if b - a >= _SHORTEST_RUN]
    # A tilted bar has no such runs; it is one box.
    if len(runs) < 2 or sum(b - a for a, b in runs) < 0.8 * height:
        yield whole
        return
    for a, b in runs:
        yield (int(np.median(lefts[a:b])), a, int(np.median(rights[a:b])), b)


def _snapped(crop: Grey, inside: Mask) -> tuple[int, int, int, int]:
    """The box of the cells, with each side moved to the strongest edge close to it."""
    rows, columns = np.flatnonzero(inside.any(1)), np.flatnonzero(inside.any(0))
    y0, y1, x0, x1 = int(rows[0]), int(rows[-1]) + 1, int(columns[0]), int(columns[-1]) + 1
    signed = crop.astype(np.int16)
    down = np.abs(np.diff(signed[:, x0:x1], axis=0)).mean(1)
    across = np.abs(np.diff(signed[y0:y1], axis=1)).mean(0)
    return (_edge(across, x0, -1), _edge(down, y0, -1), _edge(across, x1, 1), _edge(down, y1, 1))


def _edge(steps: NDArray[np.float64], place: int, outwards: int) -> int:
    """The outermost strong step close to a place, or the place itself where there is none."""
    low, high = max(0, place - _REACH), min(len(steps), place + _REACH)
    near = steps[low:high]
    if not len(near) or near.max() < 12:
        return place
    strong = np.flatnonzero(near >= 0.6 * near.max())
    return low + int(strong[0] if outwards < 0 else strong[-1]) + 1
