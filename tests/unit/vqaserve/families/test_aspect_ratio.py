"""Pictures with extreme aspect ratios are resized only as far as the preprocessing needs."""

from __future__ import annotations

import pytest
from PIL import Image

from vqaserve.errors import InvalidImage
from vqaserve.families.aspect_ratio import is_ordinary, preprocess_any_shape


def size_if(limit: float):
    """Preprocessing that accepts aspect ratios up to a limit."""

    def preprocess(picture: Image.Image) -> tuple[int, int]:
        if max(picture.size) > limit * min(picture.size):
            raise ValueError("height and width must be > 0")
        return picture.size

    return preprocess


@pytest.mark.parametrize(
    ("size", "limit", "expected"),
    [
        ((640, 480), 10, (640, 480)),
        ((1, 2000), 100, (1, 50)),
        ((2000, 1), 100, (50, 1)),
        ((1, 2000), 20, (1, 12)),
        ((400, 10), 3, (25, 10)),
    ],
)
def test_a_picture_is_squeezed_until_it_can_be_taken(size: tuple[int, int], limit: float, expected: tuple[int, int]):
    assert preprocess_any_shape(Image.new("RGB", size), size_if(limit)) == expected


def test_a_picture_that_cannot_be_taken_at_all_is_refused_with_its_size():
    with pytest.raises(InvalidImage, match=r"cannot take a picture of 30 x 20 pixels: height and width"):
        preprocess_any_shape(Image.new("RGB", (30, 20)), size_if(0.5))


def test_photographs_are_ordinary_and_strips_are_not():
    assert is_ordinary(Image.new("RGB", (1600, 900)))
    assert not is_ordinary(Image.new("RGB", (1, 5)))
