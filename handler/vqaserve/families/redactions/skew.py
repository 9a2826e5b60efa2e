"""How a scanned page is tilted, and the page turned upright: bars that touch are told apart by level edges.

The angle is the one at which the level edges of a page fall into the fewest rows (Postl 1986).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from vqaserve.documents.boxes import Box
from vqaserve.families.redactions.outlines import Grey, Outline

_SIDE = 1100
"""Pixels of the longer side of the page that is looked at; a tenth of a degree is 2 of them."""

_MOST, _STEP, _FINE = 2.0, 0.25, 0.05
"""Degrees: scanners tilt less; the steps of the search, before and after it has found about where the best one is."""

_LEAST = 0.1
"""Degrees from which on a page is turned."""

_GAIN = 1.03
"""How much better than level the best angle must be."""

_CONTRAST, _FEWEST, _POINTS = 50, 200, 15_000


@dataclass(frozen=True, slots=True)
class Upright:
    """A page in grey, turned upright.

    Attributes:
        page: The page; it has the size that it had before.
        angle: Degrees by which it was turned, counter-clockwise.
    """

    page: Image.Image
    angle: float

    @classmethod
    def of(cls, grey: Image.Image) -> Upright:
        """Turn a page upright; one that is level stays as it is."""
        angle = find_skew(grey)
        if abs(angle) < _LEAST:
            return cls(grey, 0.0)
        return cls(_turned(grey, angle, 255), angle)

    def turn(self, picture: Image.Image, outside: int) -> Image.Image:
        """Another picture of the page, turned likewise; ``outside`` is the shade of its new corners."""
        return _turned(picture, self.angle, outside) if self.angle else picture

    def box(self, outline: Outline, confidence: float) -> Box:
        """A box of the upright page in fractions of the page as it came."""
        left, top, right, bottom = self._place(outline)
        width, height = self.page.size
        return Box(left / width, top / height, right / width, bottom / height, confidence)

    def _place(self, box: Outline) -> tuple[float, float, float, float]:
        """The upright box around a box, in pixels of the page before it was turned: left, top, right and bottom."""
        width, height = self.page.size
        sine, cosine = math.sin(math.radians(self.angle)), math.cos(math.radians(self.angle))
        x, y = (box.left + box.right - width) / 2, (box.top + box.bottom - height) / 2
        middle = (width / 2 + x * cosine - y * sine, height / 2 + x * sine + y * cosine)
        across, down = (box.right - box.left) / 2, (box.bottom - box.top) / 2
        reach = (across * cosine + down * abs(sine), across * abs(sine) + down * cosine)
        return (
            max(0.0, middle[0] - reach[0]),
            max(0.0, middle[1] - reach[1]),
            min(float(width), middle[0] + reach[0]),
            min(float(height), middle[1] + reach[1]),
        )

    def outline_of(self, place: tuple[int, int, int, int]) -> Outline:
        """The box that belongs to a place on the page as it came, as far as the box is not at the page's edge."""
        width, height = self.page.size
        sine, cosine = math.sin(math.radians(self.angle)), math.cos(math.radians(self.angle))
        x, y = (place[0] + place[2] - width) / 2, (place[1] + place[3] - height) / 2
        middle = (width / 2 + x * cosine + y * sine, height / 2 - x * sine + y * cosine)
        across, down = (place[2] - place[0]) / 2, (place[3] - place[1]) / 2
        reach = (across * cosine - down * abs(sine), down * cosine - across * abs(sine))
        shrunk = cosine**2 - sine**2
        half_width, half_height = max(0.0, reach[0] / shrunk), max(0.0, reach[1] / shrunk)
        return Outline(
            max(0, round(middle[0] - half_width)),
            max(0, round(middle[1] - half_height)),
            min(width, round(middle[0] + half_width)),
            min(height, round(middle[1] + half_height)),
            0.0,
        )


def _turned(page: Image.Image, angle: float, outside: int) -> Image.Image:
    """A page that is turned about its middle by degrees, counter-clockwise."""
    return page.rotate(angle, Image.Resampling.BILINEAR, fillcolor=outside)


def find_skew(grey: Image.Image) -> float:
    """The degrees by which a page has to be turned counter-clockwise to be level; 0 if nothing tells."""
    shrink = max(1, round(max(grey.size) / _SIDE))
    small = np.asarray(grey.reduce(shrink) if shrink > 1 else grey)
    xs, ys = _level_edges(small)
    if len(xs) < _FEWEST:
        return 0.0
    coarse = np.arange(-_MOST, _MOST + _STEP / 2, _STEP)
    scores = [_alignment(xs, ys, angle) for angle in coarse]
    best = float(coarse[int(np.argmax(scores))])
    fine = best + np.arange(-_STEP, _STEP + _FINE / 2, _FINE)
    scores = [_alignment(xs, ys, angle) for angle in fine]
    angle = float(fine[int(np.argmax(scores))])
    return angle if max(scores) > _GAIN * _alignment(xs, ys, 0.0) else 0.0


def _level_edges(page: Grey) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Columns and rows of pixels below which the page gets much darker or lighter."""
    steps = np.abs(np.diff(page.astype(np.int16), axis=0)) > _CONTRAST
    rows, columns = np.nonzero(steps)
    thinned = slice(None, None, max(1, len(rows) // _POINTS))
    return columns[thinned].astype(np.float32), rows[thinned].astype(np.float32)


def _alignment(xs: NDArray[np.float32], ys: NDArray[np.float32], angle: float) -> float:
    """How unevenly edges fall into rows, if the page is turned by an angle."""
    rows = ys - xs * np.float32(math.tan(math.radians(angle)))
    counts = np.bincount((rows - rows.min()).astype(np.int32))
    return float(np.square(counts.astype(np.float64)).sum())
