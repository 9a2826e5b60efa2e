"""Preprocessing of pictures with an extreme aspect ratio, which models cannot take unchanged."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeVar

from PIL.Image import Image

from vqaserve.errors import InvalidImage

Prepared = TypeVar("Prepared")

# Preprocessing that resizes the short side to 336 turns 1 x 2000 pixels into 336 x 672,000: two gigabytes.
_MAX_RATIO: Final = 50
_ORDINARY_RATIO: Final = 4


def is_ordinary(picture: Image) -> bool:
    """Whether the long side is at most four times the short one, as in photographs, pages and panoramas."""
    return max(picture.size) <= _ORDINARY_RATIO * min(picture.size)


def preprocess_any_shape(picture: Image, preprocess: Callable[[Image], Prepared]) -> Prepared:
    """Preprocess a picture; one with an extreme aspect ratio is resized until ``preprocess`` accepts it.

    The long side is first reduced to at most fifty times the short one. Preprocessing that keeps the aspect ratio may
    still round the short side to zero and raise ``ValueError``, so the long side is halved until it does not.

    Raises:
        InvalidImage: ``preprocess`` raises even for a nearly square picture.
    """
    original = picture.size
    width, height = (min(side, _MAX_RATIO * min(original)) for side in original)
    while True:
        try:
            return preprocess(picture if picture.size == (width, height) else picture.resize((width, height)))
        except ValueError as error:
            if max(width, height) < 2 * min(width, height):
                raise InvalidImage(
                    f"the model cannot take a picture of {original[0]} x {original[1]} pixels: {error}; crop it"
                ) from None
        width, height = (width // 2, height) if width > height else (width, height // 2)
