"""From a picture to a network's input, bit for bit as torchvision's transforms for Pillow pictures."""

from __future__ import annotations

import numpy as np
import torch
from PIL.Image import Image, Resampling
from torch import Tensor

from vqaserve.families.torchvision_classifier.config import Transforms


def to_pixels(picture: Image, transforms: Transforms) -> Tensor:
    """Resize the shorter side, cut out the middle, and normalise.

    Args:
        picture: An RGB picture of any shape.
        transforms: The sizes, the filter, mean and deviation.

    Returns:
        float32 [3, crop, crop].
    """
    short, long = sorted(picture.size)
    resized = (transforms.resize, transforms.resize * long // short)
    width, height = resized if picture.width <= picture.height else resized[::-1]
    # round() goes to the even number at a half, as in torchvision.
    left, top = round((width - transforms.crop) / 2), round((height - transforms.crop) / 2)
    small = picture.resize((width, height), Resampling[transforms.resample.upper()])
    square = small.crop((left, top, left + transforms.crop, top + transforms.crop))
    pixels = torch.from_numpy(np.asarray(square).astype(np.float32)).permute(2, 0, 1) / 255
    mean, std = (torch.tensor(values)[:, None, None] for values in (transforms.mean, transforms.std))
    return (pixels - mean) / std
