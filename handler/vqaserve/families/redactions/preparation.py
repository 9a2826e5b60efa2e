"""From a page to the network's input."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from vqaserve.families.redactions.network import STRIDE


def scaled_size(width: int, height: int, side: int) -> tuple[int, int]:
    """Width and height of a page whose longer side is ``side``."""
    scale = side / max(width, height)
    return (max(1, round(width * scale)), max(1, round(height * scale)))


def to_ink(page: Image.Image, side: int) -> Tensor:
    """A page as the network's input.

    Args:
        page: A page in any size and mode.
        side: Pixels of the longer side.

    Returns:
        float32 [1, height, width], 0 for white and 1 for black. Right and bottom are padded with white to multiples of
        ``STRIDE``.
    """
    grey = page.convert("L")
    small = grey.resize(scaled_size(*grey.size, side), Image.Resampling.BILINEAR)
    return pad_ink(np.asarray(small))


def pad_ink(grey: NDArray[np.uint8]) -> Tensor:
    """A page [height, width] in its final size as the network's input, padded."""
    height, width = grey.shape
    ink = torch.zeros(1, -(-height // STRIDE) * STRIDE, -(-width // STRIDE) * STRIDE)
    ink[0, :height, :width] = 1 - torch.from_numpy(grey.astype(np.float32)) / 255
    return ink
