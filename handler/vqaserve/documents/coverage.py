"""How much of a page its boxes cover, and whether text lies under them."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from vqaserve.documents.boxes import Box
from vqaserve.documents.pages import Page


def covered_share(boxes: Sequence[Box], area: tuple[float, float, float, float]) -> float:
    """The share of an area, given as left, top, right and bottom, that boxes cover; where they overlap counts once."""
    left, top, right, bottom = area
    whole = (right - left) * (bottom - top)
    if whole <= 0:
        return 0.0
    inside = [(max(one.left, left), max(one.top, top), min(one.right, right), min(one.bottom, bottom)) for one in boxes]
    inside = [one for one in inside if one[0] < one[2] and one[1] < one[3]]
    xs = sorted({x for one in inside for x in (one[0], one[2])})
    covered = 0.0
    for x0, x1 in pairwise(xs):
        reached = top
        for _, y0, _, y1 in sorted((one for one in inside if one[0] <= x0 and x1 <= one[2]), key=lambda one: one[1]):
            covered += (x1 - x0) * max(0.0, y1 - max(y0, reached))
            reached = max(reached, y1)
    return covered / whole


def hides_text(box: Box, page: Page) -> bool:
    """Whether characters of the page lie under a box: whoever has the file can copy them."""
    return any(box.left <= x <= box.right and box.top <= y <= box.bottom for x, y in page.hidden)
