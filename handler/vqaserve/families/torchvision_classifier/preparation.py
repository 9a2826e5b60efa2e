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
    return normalise(to_square(picture, transforms), transforms)


def to_square(picture: Image, transforms: Transforms) -> Image:
    """Resize the shorter side of an RGB picture, and cut out the middle, ``crop`` x ``crop`` pixels."""
    short, long = sorted(picture.size)
    resized = (transforms.resize, transforms.resize * long // short)
    width, height = resized if picture.width <= picture.height else resized[::-1]
    # round() goes to the even number at a half, as in torchvision.
    left, top = round((width - transforms.crop) / 2), round((height - transforms.crop) / 2)
    small = picture.resize((width, height), Resampling[transforms.resample.upper()])
    return small.crop((left, top, left + transforms.crop, top + transforms.crop))


def normalise(square: Image, transforms: Transforms) -> Tensor:
    """Map an RGB picture of the network's size to float32 [3, crop, crop], by mean and deviation."""
    pixels = torch.from_numpy(np.asarray(square).astype(np.float32)).permute(2, 0, 1) / 255
    mean, std = (torch.tensor(values)[:, None, None] for values in (transforms.mean, transforms.std))
    return (pixels - mean) / std
