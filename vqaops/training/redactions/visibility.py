"""Which redactions a reader can see: a copy may lose an outline, and black on a dark picture is nothing."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from vqaops.training.redactions.canvas import Canvas, Mark

_STEP = 30
"""The difference of shades between an outline and what is within it that can be seen."""

_CONTRAST = 20
"""The difference between a redaction and what is beside it that can be seen, in the mean of their shades."""

_SEEN = 0.5
"""Share of a redaction's edge that must show."""

_OUTLINED, _HATCHED = "white with outline", "hatched"
_PAD = 6
_BESIDE = 9
"""Pixels of the square in which the shades on both sides of an edge are compared."""


def without_invisible(canvas: Canvas) -> Canvas:
    """Take redactions that cannot be seen out of the truth; hatching always is."""
    page, truth = np.asarray(canvas.page), np.array(canvas.truth)
    kept = []
    for mark in canvas.redactions:
        if mark.kind == _HATCHED or edge_shown(page, truth, mark) >= _SEEN:
            kept.append(mark)
        else:
            left, top, right, bottom = mark.place
            truth[top:bottom, left:right] = 0
    if len(kept) == len(canvas.redactions):
        return canvas
    return replace(canvas, truth=Image.fromarray(truth), redactions=kept)


def edge_shown(page: NDArray[np.uint8], truth: NDArray[np.uint8], mark: Mark) -> float:
    """The share of a redaction's edge that can be seen: that of an outline on it, or a difference of both sides.

    Args:
        page: The page [height, width].
        truth: 255 where it is redacted, else 0 [height, width].
        mark: The redaction.
    """
    left, top, right, bottom = mark.place
    rows, columns = slice(max(0, top - _PAD), bottom + _PAD), slice(max(0, left - _PAD), right + _PAD)
    inside, shades = truth[rows, columns] >= 128, page[rows, columns]
    if not inside.any():
        return 0.0
    if mark.kind == _OUTLINED:
        edge = inside & ~ndimage.minimum_filter(inside, 3, mode="constant")
        paper = float(np.percentile(shades[inside], 75))
        # The outline is up to 4 pixels wide, and after a rotation a pixel beside the truth's edge.
        return float(np.mean(ndimage.minimum_filter(shades, 5)[edge] < paper - _STEP))
    edge = inside & ~ndimage.minimum_filter(inside, 3, mode="nearest")
    if not edge.any():  # from edge to edge of the page
        return 1.0
    return float(np.mean(np.abs(_mean(shades, inside, edge) - _mean(shades, ~inside, edge)) >= _CONTRAST))


def _mean(shades: NDArray[np.uint8], where: NDArray[np.bool_], edge: NDArray[np.bool_]) -> NDArray[Any]:
    """The mean of the shades of one side around each pixel of an edge [pixels of the edge]."""
    weights = where.astype(np.float32)
    share, sums = (ndimage.uniform_filter(one, _BESIDE)[edge] for one in (weights, shades * weights))
    means: NDArray[Any] = sums / np.maximum(share, 1e-6)
    return means
