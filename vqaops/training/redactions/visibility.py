"""Which redactions a reader can see: a copy in two tones may lose a box's thin outline, and white paper is left."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from vqaops.training.redactions.canvas import Canvas, Mark

_STEP = 30
"""The difference of shades between an outline and what is within it that can be seen."""

_SEEN = 0.5
"""Share of a box's edge that must show."""

_OUTLINED = "white with outline"
_PAD = 4


def without_invisible(canvas: Canvas) -> Canvas:
    """Take white boxes whose outline cannot be seen out of the truth; all other styles have ink."""
    page, truth = np.asarray(canvas.page), np.array(canvas.truth)
    kept = []
    for mark in canvas.redactions:
        if mark.kind != _OUTLINED or edge_shown(page, truth, mark) >= _SEEN:
            kept.append(mark)
        else:
            left, top, right, bottom = mark.place
            truth[top:bottom, left:right] = 0
    if len(kept) == len(canvas.redactions):
        return canvas
    return replace(canvas, truth=Image.fromarray(truth), redactions=kept)


def edge_shown(page: NDArray[np.uint8], truth: NDArray[np.uint8], mark: Mark) -> float:
    """The share of a redaction's edge at which the page has a step from light to dark.

    Args:
        page: The page [height, width].
        truth: 255 where it is redacted [height, width].
        mark: The redaction.
    """
    left, top, right, bottom = mark.place
    rows, columns = slice(max(0, top - _PAD), bottom + _PAD), slice(max(0, left - _PAD), right + _PAD)
    inside, shades = truth[rows, columns] >= 128, page[rows, columns]
    if not inside.any():
        return 0.0
    edge = inside & ~ndimage.minimum_filter(inside, 3, mode="constant")
    paper = float(np.percentile(shades[inside], 75))
    # The outline is up to 4 pixels wide, and after a rotation a pixel beside the truth's edge.
    darkest = ndimage.minimum_filter(shades, 5)
    return float(np.mean(darkest[edge] < paper - _STEP))
