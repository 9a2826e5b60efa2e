"""Pictures of extreme shapes, which a model's own preprocessing cannot take as they are."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from PIL.Image import Image

from vqaserve.errors import InvalidImage

Taken = TypeVar("Taken")

# Preprocessing that brings the short side to 336 makes 1 x 2000 pixels into 336 x 672,000: two gigabytes.
_LONGEST = 50
_ORDINARY = 4


def is_ordinary(picture: Image) -> bool:
    """Whether the long side is at most four times the short one: photographs, pages, panoramas."""
    return max(picture.size) <= _ORDINARY * min(picture.size)


def take(picture: Image, preprocess: Callable[[Image], Taken]) -> Taken:
    """What ``preprocess`` makes of a picture, after squeezing an extreme one until it can.

    A side over fifty times the other is shortened to that. Then, since preprocessing that keeps the aspect ratio may
    still round the short side to nothing and raise ``ValueError``, the long side is halved until it does not.

    Raises:
        InvalidImage: It cannot take the picture even when it is nearly square.
    """
    asked = picture.size
    width, height = (min(side, _LONGEST * min(asked)) for side in asked)
    while True:
        try:
            return preprocess(picture if picture.size == (width, height) else picture.resize((width, height)))
        except ValueError as error:
            if max(width, height) < 2 * min(width, height):
                raise InvalidImage(
                    f"the model cannot take a picture of {asked[0]} x {asked[1]} pixels: {error}; crop it"
                ) from None
        width, height = (width // 2, height) if width > height else (width, height // 2)
