"""Views of a picture: as the server prepares it, and random variants to learn from."""

from __future__ import annotations

import math
import random
from typing import Protocol

from PIL import ImageEnhance
from PIL.Image import Image, Resampling, Transpose
from torch import Tensor

_RATIO = (3 / 4, 4 / 3)
_LIGHT = (0.8, 1.25)
"""Range of the factors of brightness, contrast and saturation."""


class Preparation(Protocol):
    """How pictures are prepared for a network."""

    @property
    def side(self) -> int:
        """Pixels of each side of a square that ``prepare_square`` takes."""

    @property
    def filter(self) -> Resampling:
        """Pillow's filter, by which parts of a picture are resized."""

    def prepare(self, picture: Image) -> Tensor:
        """The network's input for an RGB picture of any shape, as the server prepares it."""

    def prepare_square(self, square: Image) -> Tensor:
        """The network's input for a picture that has the size already."""


def make_views(
    picture: Image, preparation: Preparation, count: int, least_area: float, rng: random.Random
) -> list[Tensor]:
    """Views of an RGB picture, all of one shape; the first is what the server would compute with.

    Args:
        picture: The picture.
        preparation: Of the network.
        count: The number of views.
        least_area: Smallest share of the picture that a variant shows. 0.08 of Inception's crops (Szegedy et al. 2014)
            is for networks that are trained whole.
        rng: Draws the variants.
    """
    varied = (_vary(picture, preparation, least_area, rng) for _ in range(count - 1))
    return [preparation.prepare(picture), *map(preparation.prepare_square, varied)]


def _vary(picture: Image, preparation: Preparation, least_area: float, rng: random.Random) -> Image:
    """A random part, mirrored at random and in other light."""
    box = _random_part(picture.width, picture.height, least_area, rng)
    square = picture.resize((preparation.side, preparation.side), preparation.filter, box)
    if rng.random() < 0.5:
        square = square.transpose(Transpose.FLIP_LEFT_RIGHT)
    for kind in (ImageEnhance.Brightness, ImageEnhance.Contrast, ImageEnhance.Color):
        square = kind(square).enhance(rng.uniform(*_LIGHT))
    return square


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
