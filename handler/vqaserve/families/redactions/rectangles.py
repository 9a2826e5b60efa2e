"""Plain rectangles of a page, found without a network: areas of one shade, and white areas within an outline.

Most are cells of tables and parts of figures. The second network tells, and so finds the redactions that the first
one overlooks: grey bars and white boxes are rare in what it sees.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from vqaserve.families.redactions.outlines import Grey, Mask, Outline, connected, refined

_CELL = 2
"""Pixels of a page in each direction that are looked at as one."""

_FLAT = 24
"""The difference of shades within an area that counts as plain."""

_CONTRAST = 30
_FULL = 0.75
"""Share of its box that an area covers if it is a rectangle, perhaps with a word in it."""

_SHORTEST, _NARROWEST = 6, 8
_MOST = 150
_SAME = 0.7


def add_rectangles(outlines: Sequence[Outline], cells: NDArray[np.float32], page: Grey) -> list[Outline]:
    """Add the plain rectangles that are none of the boxes yet.

    Args:
        outlines: The boxes of the network.
        cells: Its probabilities [rows, columns].
        page: The page [height, width].

    Returns:
        All boxes, from top to bottom. A rectangle's probability is the mean of its cells.
    """
    known = list(outlines)
    across, down = cells.shape[1] / page.shape[1], cells.shape[0] / page.shape[0]
    for left, top, right, bottom in _rectangles(page):
        rows = slice(int(top * down), max(int(top * down) + 1, int(bottom * down)))
        columns = slice(int(left * across), max(int(left * across) + 1, int(right * across)))
        one = Outline(left, top, right, bottom, float(cells[rows, columns].mean()))
        if not any(_is_known(one, other) for other in outlines):
            known.append(one)
    return sorted(connected(known, page), key=lambda one: (one.top, one.left))


def _rectangles(page: Grey) -> Iterator[tuple[int, int, int, int]]:
    height, width = (pixels // _CELL for pixels in page.shape)
    if min(height, width) < 2 * _NARROWEST:
        return
    small = page[: height * _CELL, : width * _CELL].reshape(height, _CELL, width, _CELL).mean((1, 3), np.float32)
    paper = float(np.percentile(small, 90))
    smooth = ndimage.uniform_filter(small, 3)  # scans have grain
    plain = ndimage.maximum_filter(smooth, 3) - ndimage.minimum_filter(smooth, 3) < _FLAT
    found = [
        *_areas(plain & (smooth < paper - _CONTRAST), grow=2),
        *_areas(small > paper - _CONTRAST, grow=1, enclosed=True),
    ]
    found.sort(key=lambda area: -area[0].size)
    for own, (rows, columns) in found[:_MOST]:
        area = (columns.start * _CELL, rows.start * _CELL, columns.stop * _CELL, rows.stop * _CELL)
        yield from refined(page, own, area)


def _areas(mask: Mask, grow: int, enclosed: bool = False) -> Iterator[tuple[Mask, tuple[slice, slice]]]:
    """The connected areas that are rectangles, with the pixel around them that filters or an outline took away."""
    height, width = mask.shape
    labels, _ = ndimage.label(mask)
    sizes = np.bincount(labels.ravel())[1:]
    for size, (rows, columns) in zip(sizes, ndimage.find_objects(labels), strict=True):
        tall, wide = rows.stop - rows.start, columns.stop - columns.start
        if tall < _SHORTEST or wide < _NARROWEST or size < _FULL * tall * wide:
            continue
        if enclosed and (rows.start == 0 or columns.start == 0 or rows.stop == height or columns.stop == width):
            continue
        rows = slice(max(0, rows.start - grow), min(height, rows.stop + grow))
        columns = slice(max(0, columns.start - grow), min(width, columns.stop + grow))
        yield np.ones((rows.stop - rows.start, columns.stop - columns.start), bool), (rows, columns)


def _is_known(one: Outline, other: Outline) -> bool:
    """Whether most of a rectangle is in a box of the network: it is that box, or a part of it beside a code."""
    across = min(one.right, other.right) - max(one.left, other.left)
    down = min(one.bottom, other.bottom) - max(one.top, other.top)
    return across > 0 and down > 0 and across * down > _SAME * (one.right - one.left) * (one.bottom - one.top)
