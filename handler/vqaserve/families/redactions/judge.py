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

VIEWS = 5
_CHANNELS = (VIEWS, 24, 48, 96, 96)
_SCALE = 1650
"""Pixels of the longer side of a page at 150 dpi, in which the closer views are taken."""

_MARGIN = 0.25
_CLOSE, _CLOSER = 128, 64
"""Pixels at 150 dpi around the middle of the box and around its ends: some lines of text, and the box's texture."""


class BoxJudge(nn.Module):
    """Four convolutions over five views of a box, joined with its size and the first network's probability."""

    def __init__(self) -> None:
        super().__init__()
        self.look = nn.Sequential(
            *(
                nn.Sequential(nn.Conv2d(fine, coarse, 3, 2, 1), nn.BatchNorm2d(coarse), nn.ReLU())
                for fine, coarse in pairwise(_CHANNELS)
            )
        )
        self.decide = nn.Sequential(nn.Dropout(0.2), nn.Linear(2 * _CHANNELS[-1] + 4, 64), nn.ReLU(), nn.Linear(64, 1))

    def forward(self, views: Tensor, traits: Tensor) -> Tensor:
        """Compute a logit for each box.

        Args:
            views: What ``look_at`` returns [n, ``VIEWS``, ``SIDE``, ``SIDE``].
            traits: What ``describe`` returns [n, 4].

        Returns:
            Logits [n].
        """
        seen = self.look(views)
        logits: Tensor = self.decide(torch.cat([seen.mean((2, 3)), seen.amax((2, 3)), traits], 1)).squeeze(1)
        return logits


def look_at(page: Image.Image, boxes: Sequence[Outline]) -> NDArray[np.uint8]:
    """Views of each box: the whole of it with a margin, two close ones of its middle, and one of each end.

    Args:
        page: The page in grey.
        boxes: In its pixels.

    Returns:
        uint8 [n, ``VIEWS``, ``SIDE``, ``SIDE``]; what is outside the page is white.
    """
    unit = max(page.size) / _SCALE
    views = np.empty((len(boxes), VIEWS, SIDE, SIDE), np.uint8)
    for number, box in enumerate(boxes):
        across, down = box.right - box.left, box.bottom - box.top
        margins = (_MARGIN * across + 16 * unit, _MARGIN * down + 16 * unit)
        x, y = (box.left + box.right) / 2, (box.top + box.bottom) / 2
        close, closer = (side * unit / 2 for side in (_CLOSE, _CLOSER))
        seen = [(x, across / 2 + margins[0], down / 2 + margins[1]), (x, close, close), (x, closer, closer)]
        seen += [(float(box.left), close, close), (float(box.right), close, close)]
        for view, (middle, half_width, half_height) in enumerate(seen):
            area = (
                round(middle - half_width),
                round(y - half_height),
                round(middle + half_width),
                round(y + half_height),
            )
            views[number, view] = _view(page, area)
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


def _view(page: Image.Image, area: tuple[int, int, int, int]) -> NDArray[np.uint8]:
    left, top, right, bottom = area
    inside = (max(0, left), max(0, top), min(page.width, right), min(page.height, bottom))
    shown = page.crop(inside)
    if inside != area:
        padded = Image.new("L", (right - left, bottom - top), 255)
        padded.paste(shown, (inside[0] - left, inside[1] - top))
        shown = padded
    return np.asarray(shown.resize((SIDE, SIDE), Image.Resampling.BOX, reducing_gap=2))
