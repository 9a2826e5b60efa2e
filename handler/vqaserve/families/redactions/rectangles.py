"""Rectangles of a page, found without a network: areas of one shade, white areas within an outline, and solid ink.

Most are cells of tables and parts of figures. The second network tells, and so finds the redactions that the first
one overlooks: grey bars, hatched and white boxes are rare in what it sees.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import product

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from vqaserve.families.redactions.outlines import Grey, Mask, Outline, connected, refined

_CELL = 2
"""Pixels of a page in each direction that are looked at as one."""

_FLAT = 24
"""The difference of shades within an area that counts as plain."""

_CONTRAST, _INK = 30, 60
"""Differences to the paper from which on a cell is part of a plain area, and from which on it is ink."""

_FULL = 0.8
"""Share of its box that an area covers if it is a rectangle, what is written in it included."""

_SOLID = 0.85
"""Share of its box that ink spans, from the first to the last cell of a row or column, if it is a rectangle."""

_ALONG, _DEEPEST, _AT_EDGE = 0.9, 0.08, 0.03
"""Shares of a page: length and depth of the dark bands of scanners, and their distance to the edge on a tilted page."""

_RIM, _BESIDE, _SLIMMEST, _THICKEST = (8, 4), 4, 24, 6
"""Pixels of a table's row: margins of the box and of cells that are left out, the slimmest cell, the thickest rule."""

_WHITE, _DARKER, _RULE, _TEXT = 225, 50, 0.97, (0.01, 0.35)
"""Of such a row: the shade of its paper, how much darker ink is, the dark shares of a rule and of a cell."""

_SHORTEST, _NARROWEST = 6, 8
_LEAST_FULL = 0.3
_MOST = 150
_SAME, _SHARED = 0.75, 0.6
"""Intersection over union from which on two boxes are one before they are judged, and of two that were judged, the
share of the smaller that both have from which on one is dropped."""

_Part = tuple[Mask, tuple[slice, slice]]
"""Cells that belong together, and where they are."""


def add_rectangles(outlines: Sequence[Outline], cells: NDArray[np.float32], page: Grey) -> list[Outline]:
    """Add the rectangles that are none of the boxes yet.

    Args:
        outlines: The boxes of the network.
        cells: Its probabilities [rows, columns].
        page: The page [height, width].

    Returns:
        All boxes, from top to bottom, without the dark bands that a scanner leaves along a whole side of a page and
        without rows of tables. A rectangle's probability is the mean of its cells.
    """
    known = list(outlines)
    across, down = cells.shape[1] / page.shape[1], cells.shape[0] / page.shape[0]
    for left, top, right, bottom in _rectangles(page):
        rows = slice(int(top * down), max(int(top * down) + 1, int(bottom * down)))
        columns = slice(int(left * across), max(int(left * across) + 1, int(right * across)))
        one = Outline(left, top, right, bottom, float(cells[rows, columns].mean()))
        if not any(_is_same(one, other) for other in known):
            known.append(one)
    boxes = [
        one
        for one in connected(known, page)
        if not _is_band(one, page.shape[1], page.shape[0]) and not is_row(one, page)
    ]
    return sorted(boxes, key=lambda one: (one.top, one.left))


def best_of(outlines: Sequence[Outline], confidences: Sequence[float]) -> list[int]:
    """The numbers of the boxes that are kept, in order: of boxes that overlap, the one that fits best."""
    kept: list[int] = []
    for number in sorted(range(len(outlines)), key=lambda one: -confidences[one]):
        one = outlines[number]
        if not any(_shared(one, outlines[other]) > _SHARED * min(_area(one), _area(outlines[other])) for other in kept):
            kept.append(number)
    return sorted(kept)


def _rectangles(page: Grey) -> Iterator[tuple[int, int, int, int]]:
    height, width = (pixels // _CELL for pixels in page.shape)
    if min(height, width) < 2 * _NARROWEST:
        return
    small = _lit_evenly(_halved(page[: height * _CELL, : width * _CELL]))
    smooth = ndimage.uniform_filter(small, 3)  # scans have grain
    plain = ndimage.maximum_filter(smooth, 3) - ndimage.minimum_filter(smooth, 3) < _FLAT
    white: Mask = small > -_CONTRAST
    found = [
        *_plain(plain & (smooth < -_CONTRAST)),
        *_enclosed(white, grow=1),
        *_enclosed(ndimage.minimum_filter(white, 3), grow=2),  # in an outline with small gaps
        *_inked(small < -_INK),
    ]
    found.sort(key=lambda area: -area[0].size)
    seen: list[Outline] = []
    for own, (rows, columns) in found[:_MOST]:
        area = (columns.start * _CELL, rows.start * _CELL, columns.stop * _CELL, rows.stop * _CELL)
        one = Outline(*area, 0)
        if not any(_is_same(one, other) for other in seen):  # an outline encloses what is white
            seen.append(one)
            yield from refined(page, own, area)


def _halved(page: Grey) -> NDArray[np.float32]:
    """The mean of each cell's pixels; adding slices takes a fifth of the time of ``ndarray.mean``."""
    total = np.zeros((page.shape[0] // _CELL, page.shape[1] // _CELL), np.float32)
    for row, column in product(range(_CELL), repeat=2):
        total += page[row::_CELL, column::_CELL]
    total /= _CELL**2
    return total


def _lit_evenly(small: NDArray[np.float32]) -> NDArray[np.float32]:
    """Differences to the paper, whose shade differs from left to right where a scanner's light does."""
    paper = np.percentile(small[::4], 90, axis=0)
    even: NDArray[np.float32] = ndimage.uniform_filter1d(paper, min(len(paper), 65), mode="nearest").astype(np.float32)
    return small - even


def _plain(mask: Mask) -> Iterator[_Part]:
    """Areas of one shade, with the cells around them that filters took away; bars that touch are one area."""
    for own, rows, columns in _connected(mask):
        around = _grown((rows, columns), 2, mask.shape)
        whole = np.zeros((around[0].stop - around[0].start, around[1].stop - around[1].start), bool)
        whole[rows.start - around[0].start :, columns.start - around[1].start :][: own.shape[0], : own.shape[1]] = own
        yield ndimage.maximum_filter(whole, 5), around


def _enclosed(mask: Mask, grow: int) -> Iterator[_Part]:
    """White rectangles within an outline, with the cells around them that it took away."""
    height, width = mask.shape
    for own, rows, columns in _connected(mask):
        is_inside = rows.start > 0 and columns.start > 0 and rows.stop < height and columns.stop < width
        # With the word in it.
        if is_inside and np.count_nonzero(ndimage.binary_fill_holes(own)) >= _FULL * own.size:
            yield _rectangle(_grown((rows, columns), grow, mask.shape))


def _connected(mask: Mask) -> Iterator[tuple[Mask, slice, slice]]:
    """The connected parts of a mask that can be a redaction by their size."""
    labels, _ = ndimage.label(mask)
    for number, (rows, columns) in enumerate(ndimage.find_objects(labels), 1):
        if rows.stop - rows.start < _SHORTEST or columns.stop - columns.start < _NARROWEST:
            continue
        own = labels[rows, columns] == number
        if np.count_nonzero(own) >= _LEAST_FULL * own.size:
            yield own, rows, columns


def _inked(ink: Mask) -> Iterator[_Part]:
    """Connected ink that spans a rectangle: an outline, a frame with lines or a code in it, a bar."""
    labels, _ = ndimage.label(ink, np.ones((3, 3), int))
    for number, (rows, columns) in enumerate(ndimage.find_objects(labels), 1):
        tall, wide = rows.stop - rows.start, columns.stop - columns.start
        if tall < _SHORTEST or wide < _NARROWEST:
            continue
        own = labels[rows, columns] == number
        if min(_spanned(own), _spanned(own.T)) >= _SOLID:
            yield _rectangle(_grown((rows, columns), 1, ink.shape))


def _spanned(own: Mask) -> float:
    """The share of the box between the first and the last cell of each row."""
    spans = np.where(own.any(1), own.shape[1] - own.argmax(1) - own[:, ::-1].argmax(1), 0)
    return float(spans.mean()) / int(own.shape[1])


def _is_band(one: Outline, width: int, height: int) -> bool:
    """Whether a box is narrow and reaches along a whole side of the page."""
    across, down = (one.right - one.left) / width, (one.bottom - one.top) / height
    left, top, right, bottom = one.left / width, one.top / height, one.right / width, one.bottom / height
    is_level = across > _ALONG and down < _DEEPEST and (top < _AT_EDGE or bottom > 1 - _AT_EDGE)
    is_upright = down > _ALONG and across < _DEEPEST and (left < _AT_EDGE or right > 1 - _AT_EDGE)
    return is_level or is_upright


def is_row(one: Outline, page: Grey) -> bool:
    """Whether a box is on white paper, upright rules divide it, and each of its cells has text."""
    inside = page[one.top + _RIM[1] : one.bottom - _RIM[1], one.left + _RIM[0] : one.right - _RIM[0]]
    if inside.shape[0] < 2 * _RIM[1] or inside.shape[1] < 2 * _RIM[0]:
        return False
    paper = float(np.percentile(inside[::2, ::2], 75))
    if paper < _WHITE:
        return False
    dark = (inside < paper - _DARKER).mean(0)
    rules = [place for (place,) in ndimage.find_objects(ndimage.label(dark >= _RULE)[0])]
    if not rules or max(rule.stop - rule.start for rule in rules) > _THICKEST:
        return False
    starts = [0, *(rule.stop for rule in rules)]
    ends = [*(rule.start for rule in rules), len(dark)]
    cells = [dark[start + _BESIDE : end - _BESIDE] for start, end in zip(starts, ends, strict=True)]
    return all(len(cell) >= _SLIMMEST and _TEXT[0] <= cell.mean() <= _TEXT[1] for cell in cells)


def _rectangle(place: tuple[slice, slice]) -> _Part:
    return np.ones((place[0].stop - place[0].start, place[1].stop - place[1].start), bool), place


def _grown(place: tuple[slice, slice], cells: int, shape: tuple[int, ...]) -> tuple[slice, slice]:
    rows, columns = (
        slice(max(0, side.start - cells), min(length, side.stop + cells))
        for side, length in zip(place, shape, strict=True)
    )
    return rows, columns


def _shared(one: Outline, other: Outline) -> int:
    """The area that two boxes share."""
    across = min(one.right, other.right) - max(one.left, other.left)
    down = min(one.bottom, other.bottom) - max(one.top, other.top)
    return max(0, across) * max(0, down)


def _area(one: Outline) -> int:
    return (one.right - one.left) * (one.bottom - one.top)


def _is_same(one: Outline, other: Outline) -> bool:
    shared = _shared(one, other)
    return shared > _SAME * (_area(one) + _area(other) - shared)
