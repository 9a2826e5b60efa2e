"""The second look: is a box that was marked a redaction, or a barcode, a photograph, a dark heading?

The first network sees whole pages and finds edges well. This one sees boxes, which take a hundredth of a page's time.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn

from vqaserve.families.redactions.outlines import Outline

SIDE = 64
"""Pixels of a view's sides."""

VIEWS = 7
"""Of a box: five close ones, and two of the page around it."""

_CLOSE_VIEWS = 5
_MIRRORED = [0, 1, 2, 4, 3, 5, 6]
"""The places of the views in a mirrored page, in which left and right end change places."""

_CHANNELS = (_CLOSE_VIEWS, 24, 48, 96, 96)
_CHANNELS_AROUND = (VIEWS - _CLOSE_VIEWS, 16, 32, 64, 64)
_AROUND_FEATURES = 64
_SCALE = 1650
"""Pixels of the longer side of a page at 150 dpi, in which the closer views are taken."""

_MARGIN = 0.25
_CLOSE, _CLOSER = 128, 64
"""Pixels at 150 dpi around the middle of the box and around its ends: some lines of text, and the box's texture."""

_AROUND = (400, 1200)
"""Pixels at 150 dpi around the middle of the box: the paragraph or the figure that it is in, and most of the page."""

_REDUCED = 4
"""How much coarser the page is, at 150 dpi, from which these two views are taken."""


class BoxJudge(nn.Module):
    """Convolutions over close views of a box and over the page around it, joined with its size and probability.

    The features of the close views are pooled. Those of the page around keep their places, because the box is in the
    middle. The probability is the first network's.
    """

    def __init__(self) -> None:
        super().__init__()
        self.look = _convolutions(_CHANNELS)
        cells = (SIDE >> len(_CHANNELS_AROUND) - 1) ** 2
        self.around = nn.Sequential(
            *_convolutions(_CHANNELS_AROUND),
            nn.Flatten(),
            nn.Dropout(0.2),
            nn.Linear(_CHANNELS_AROUND[-1] * cells, _AROUND_FEATURES),
            nn.ReLU(),
        )
        features = 2 * _CHANNELS[-1] + 4 + _AROUND_FEATURES
        self.decide = nn.Sequential(nn.Dropout(0.2), nn.Linear(features, 64), nn.ReLU(), nn.Linear(64, 1))

    def forward(self, views: Tensor, traits: Tensor) -> Tensor:
        """Compute a logit for each box.

        Args:
            views: What ``look_at`` returns [n, ``VIEWS``, ``SIDE``, ``SIDE``].
            traits: What ``describe`` returns [n, 4].

        Returns:
            Logits [n].
        """
        seen, around = self.look(views[:, :_CLOSE_VIEWS]), self.around(views[:, _CLOSE_VIEWS:])
        logits: Tensor = self.decide(torch.cat([seen.mean((2, 3)), seen.amax((2, 3)), traits, around], 1)).squeeze(1)
        return logits


def look_at(page: Image.Image, boxes: Sequence[Outline]) -> NDArray[np.uint8]:
    """Views of each box: the whole of it with a margin, two close ones of its middle, one of each end, two around it.

    Args:
        page: The page in grey.
        boxes: In its pixels.

    Returns:
        uint8 [n, ``VIEWS``, ``SIDE``, ``SIDE``]; what is outside the page is white.
    """
    unit = max(page.size) / _SCALE
    factor = max(1, int(_REDUCED * unit))
    reduced = page.reduce(factor)
    views = np.empty((len(boxes), VIEWS, SIDE, SIDE), np.uint8)
    for number, box in enumerate(boxes):
        across, down = box.right - box.left, box.bottom - box.top
        margins = (_MARGIN * across + 16 * unit, _MARGIN * down + 16 * unit)
        x, y = (box.left + box.right) / 2, (box.top + box.bottom) / 2
        close, closer = (side * unit / 2 for side in (_CLOSE, _CLOSER))
        seen = [(x, across / 2 + margins[0], down / 2 + margins[1]), (x, close, close), (x, closer, closer)]
        seen += [(float(box.left), close, close), (float(box.right), close, close)]
        for view, (middle, half_width, half_height) in enumerate(seen):
            views[number, view] = _view(page, middle, y, half_width, half_height)
        for view, side in enumerate(_AROUND, _CLOSE_VIEWS):
            half = side * unit / factor / 2
            views[number, view] = _view(reduced, x / factor, y / factor, half, half)
    return views


def describe(page: Image.Image, boxes: Sequence[Outline]) -> NDArray[np.float32]:
    """Width, height and probability of each box, and the share of the page that it covers [n, 4]."""
    rows = [
        (
            math.log((box.right - box.left) / page.width),
            math.log((box.bottom - box.top) / page.height),
            2 * box.probability - 1,
            (box.right - box.left) * (box.bottom - box.top) / (page.width * page.height),
        )
        for box in boxes
    ]
    return np.asarray(rows, np.float32).reshape(-1, 4)


def to_tensor(views: NDArray[np.uint8]) -> Tensor:
    """Views as the network's input: ink, 0 for white and 1 for black."""
    return 1 - torch.from_numpy(views).float() / 255


def mirrored(views: Tensor) -> Tensor:
    """The views of the same boxes on mirrored pages."""
    return views.flip(3)[:, _MIRRORED]


def _convolutions(channels: Sequence[int]) -> nn.Sequential:
    """Convolutions that halve width and height, from the first number of channels to the last one."""
    return nn.Sequential(
        *(
            nn.Sequential(nn.Conv2d(fine, coarse, 3, 2, 1), nn.BatchNorm2d(coarse), nn.ReLU())
            for fine, coarse in pairwise(channels)
        )
    )


def _view(page: Image.Image, x: float, y: float, half_width: float, half_height: float) -> NDArray[np.uint8]:
    left, top, right, bottom = area = (
        round(x - half_width),
        round(y - half_height),
        round(x + half_width),
        round(y + half_height),
    )
    inside = (max(0, left), max(0, top), min(page.width, right), min(page.height, bottom))
    shown = page.crop(inside)
    if inside != area:
        padded = Image.new("L", (right - left, bottom - top), 255)
        padded.paste(shown, (inside[0] - left, inside[1] - top))
        shown = padded
    return np.asarray(shown.resize((SIDE, SIDE), Image.Resampling.BOX, reducing_gap=2))
