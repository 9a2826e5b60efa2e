"""A grid of weights drawn over its picture."""

from __future__ import annotations

import io
from collections.abc import Sequence

import numpy as np
from PIL import Image

_LONGEST = 1024
"""Pixels of the drawing's longer side at most; a reply has a size limit."""

_STRONGEST = 0.75
"""Opacity of the colour over the parts that count most. Those that do not count keep the picture's grey."""

_COLOURS = ((0, 0, 4), (87, 16, 110), (188, 55, 84), (249, 142, 9), (252, 255, 164))
"""Five steps of matplotlib's ``inferno``, whose lightness grows evenly: it can be read without seeing colours."""


def draw_heat_map(picture: Image.Image, grid: Sequence[Sequence[float]], aspect: float) -> bytes:
    """Draw weights over a picture.

    Args:
        picture: RGB, in any size.
        grid: Weights in [0, 1] of equal parts, in rows from the top left.
        aspect: Width of the drawing divided by its height; the picture may have been squeezed.

    Returns:
        A PNG file of at most 1024 pixels on the longer side.
    """
    longest = min(_LONGEST, max(picture.size))
    size = (longest, max(1, round(longest / aspect))) if aspect >= 1 else (max(1, round(longest * aspect)), longest)
    parts = Image.fromarray(np.asarray(grid, np.float32))
    weights = np.clip(np.asarray(parts.resize(size, Image.Resampling.BICUBIC)), 0, 1)[..., None]
    steps = np.linspace(0, 1, len(_COLOURS))
    colours = np.concatenate([np.interp(weights, steps, channel) for channel in zip(*_COLOURS, strict=True)], axis=2)
    grey = np.asarray(picture.convert("L").convert("RGB").resize(size, Image.Resampling.BICUBIC), np.float32)
    drawn = grey + (colours - grey) * _STRONGEST * np.sqrt(weights)
    file = io.BytesIO()
    Image.fromarray(drawn.astype(np.uint8)).save(file, "PNG", compress_level=3)
    return file.getvalue()
