"""Which of the boxes that were found are right: intersection over union, as in PASCAL VOC and COCO."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from vqaserve.documents.boxes import Box

_RIGHT = 0.5


def overlap(one: Box, other: Box) -> float:
    """Intersection over union of two boxes."""
    across = min(one.right, other.right) - max(one.left, other.left)
    down = min(one.bottom, other.bottom) - max(one.top, other.top)
    if across <= 0 or down <= 0:
        return 0.0
    areas = [(box.right - box.left) * (box.bottom - box.top) for box in (one, other)]
    return across * down / (sum(areas) - across * down)


def match(found: Sequence[Box], true: Sequence[Box]) -> list[int | None]:
    """The number of the true box that each found one stands for, or None; the most confident choose first."""
    matched: list[int | None] = [None] * len(found)
    free = set(range(len(true)))
    for number in sorted(range(len(found)), key=lambda n: -found[n].confidence):
        best = max(free, key=lambda n: overlap(found[number], true[n]), default=None)
        if best is not None and overlap(found[number], true[best]) >= _RIGHT:
            matched[number] = best
            free.discard(best)
    return matched


def average_precision(confidences: Sequence[float], right: Sequence[bool], true: int) -> float:
    """The area under the curve of precision over recall, with precision made monotonous (Everingham et al. 2010).

    Args:
        confidences: Of all boxes that were found, on all pages.
        right: Whether each is right.
        true: The number of true boxes.
    """
    order = np.argsort(-np.asarray(confidences), kind="stable")
    hits = np.asarray(right, bool)[order]
    recall = np.cumsum(hits) / max(1, true)
    precision = np.cumsum(hits) / np.arange(1, len(hits) + 1)
    precision = np.maximum.accumulate(precision[::-1])[::-1]
    return float(np.sum(np.diff(recall, prepend=0.0) * precision))
