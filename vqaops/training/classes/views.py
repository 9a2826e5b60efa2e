"""Views of a picture: as the server prepares it, and random variants to learn from."""

from __future__ import annotations

import math
import random

from PIL import ImageEnhance
from PIL.Image import Image, Resampling, Transpose
from torch import Tensor

from vqaserve.families.aspect_ratio import preprocess_any_shape
from vqaserve.families.torchvision_classifier.config import Transforms
from vqaserve.families.torchvision_classifier.preparation import normalise, to_pixels

_RATIO = (3 / 4, 4 / 3)
_LIGHT = (0.8, 1.25)
"""Range of the factors of brightness, contrast and saturation."""


def make_views(
    picture: Image, transforms: Transforms, count: int, least_area: float, rng: random.Random
) -> list[Tensor]:
    """Views of an RGB picture, each float32 [3, crop, crop]; the first is what the server would compute with.

    Args:
        picture: The picture.
        transforms: The sizes, the filter, mean and deviation.
        count: The number of views.
        least_area: Smallest share of the picture that a variant shows. 0.08 of Inception's crops (Szegedy et al. 2014)
            is for networks that are trained whole.
        rng: Draws the variants.
    """
    plain = preprocess_any_shape(picture, lambda one: to_pixels(one, transforms))
    return [plain, *(_vary(picture, transforms, least_area, rng) for _ in range(count - 1))]


def _vary(picture: Image, transforms: Transforms, least_area: float, rng: random.Random) -> Tensor:
    """A random part, mirrored at random and in other light."""
    box = _random_part(picture.width, picture.height, least_area, rng)
    size = (transforms.crop, transforms.crop)
    square = picture.resize(size, Resampling[transforms.resample.upper()], box)
    if rng.random() < 0.5:
        square = square.transpose(Transpose.FLIP_LEFT_RIGHT)
    for kind in (ImageEnhance.Brightness, ImageEnhance.Contrast, ImageEnhance.Color):
        square = kind(square).enhance(rng.uniform(*_LIGHT))
    return normalise(square, transforms)


def _random_part(width: int, height: int, least_area: float, rng: random.Random) -> tuple[int, int, int, int]:
    """Left, top, right and bottom of a part with a random share of the area and a random shape."""
    if least_area == 1:
        return 0, 0, width, height
    area = width * height * rng.uniform(least_area, 1)
    ratio = math.exp(rng.uniform(*map(math.log, _RATIO)))
    wide, high = (round(math.sqrt(area * ratio)), round(math.sqrt(area / ratio)))
    wide, high = (min(max(1, wide), width), min(max(1, high), height))
    left, top = rng.randint(0, width - wide), rng.randint(0, height - high)
    return left, top, left + wide, top + high
