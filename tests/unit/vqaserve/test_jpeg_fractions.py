"""A large JPEG is decoded at a half, a quarter or an eighth of its size; how that is resized, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from tests.support.pictures import encoded, saved
from vqaserve.errors import InvalidImage
from vqaserve.images import open_picture
from vqaserve.limits import Limits
from vqaserve.pictures import Squeeze

LIMITS = Limits().pictures


def squeezed(width: int, height: int) -> Squeeze:
    return Squeeze(width, height, Image.Resampling.BILINEAR)


@pytest.mark.parametrize("size", [(32, 16), (64, 100), (700, 20)])
def test_a_picture_is_squeezed_at_last_as_if_its_family_had_done_it(size: tuple[int, int]):
    noise = Image.effect_noise(size, 90).convert("RGB")
    opened = open_picture(saved(noise), LIMITS, squeeze=squeezed(64, 48))
    assert opened.pixels.tobytes() == noise.resize((64, 48), Image.Resampling.BILINEAR).tobytes()
    assert opened.area == size[0] * size[1]


def decoded_of(monkeypatch: pytest.MonkeyPatch, file: bytes, squeeze: Squeeze) -> tuple[int, int]:
    """The size at which a file's pixels are decoded, before they are squeezed."""
    sizes = []
    resize = Image.Image.resize

    def noting(image: Image.Image, *given: object) -> Image.Image:
        sizes.append(image.size)
        return resize(image, *given)

    with monkeypatch.context() as patched:
        patched.setattr(Image.Image, "resize", noting)
        open_picture(file, LIMITS, squeeze=squeeze)
    return sizes[-1]


def test_a_large_photograph_is_decoded_at_a_fraction_that_leaves_twice_the_size(monkeypatch: pytest.MonkeyPatch):
    file = saved(Image.effect_noise((1700, 1300), 40).convert("RGB"), "JPEG")
    assert decoded_of(monkeypatch, file, squeezed(200, 150)) == (850, 650)
    whole, part = open_picture(file, LIMITS), open_picture(file, LIMITS, squeeze=squeezed(200, 150))
    assert (part.area, part.warnings) == (850 * 650, ())
    at_once = whole.pixels.resize((200, 150), Image.Resampling.BILINEAR)
    assert np.abs(np.asarray(at_once, float) - np.asarray(part.pixels, float)).mean() < 1


def test_a_fraction_is_enough_whichever_way_a_photograph_is_turned(monkeypatch: pytest.MonkeyPatch):
    exif = Image.Exif()
    exif[0x0112] = 6  # a quarter to the right
    file = saved(Image.new("RGB", (1800, 500), "red"), "JPEG", exif=exif)
    assert decoded_of(monkeypatch, file, squeezed(100, 200)) == (500, 1800)
    assert decoded_of(monkeypatch, file, squeezed(100, 120)) == (250, 900)


@pytest.mark.parametrize(("width", "height", "fraction"), [(90, 100, 1), (160, 200, 2), (400, 390, 4), (801, 799, 8)])
def test_a_jpeg_over_the_limit_is_decoded_at_the_largest_fraction_below_it(width: int, height: int, fraction: int):
    limits = Limits(max_image_pixels=10_100).pictures
    picture = open_picture(saved(Image.new("RGB", (width, height), "red"), "JPEG"), limits)
    size = -(-width // fraction), -(-height // fraction)
    assert (picture.pixels.size, picture.area) == (size, size[0] * size[1])
    said = (f"the picture was decoded at {size[0]} x {size[1]}, 1/{fraction} of its size",)
    assert picture.warnings == (() if fraction == 1 else said)
    assert np.allclose(np.asarray(picture.pixels), (254, 0, 0), atol=2)


def test_a_jpeg_over_the_limit_is_resized_as_its_family_needs_it_without_a_warning():
    limits = Limits(max_image_pixels=10_000).pictures
    picture = open_picture(saved(Image.new("RGB", (400, 300)), "JPEG"), limits, squeeze=squeezed(180, 140))
    assert (picture.pixels.size, picture.area, picture.warnings) == ((180, 140), 100 * 75, ())


@pytest.mark.parametrize(("file_format", "options"), [("JPEG", {}), ("JPEG", {"progressive": True}), ("MPO", {})])
def test_a_phones_photograph_of_50_megapixels_is_decoded_at_a_fraction(file_format: str, options: dict):
    photograph = saved(Image.new("RGB", (8192, 6144), "red"), file_format, **options)
    picture = open_picture(photograph, LIMITS, squeeze=squeezed(64, 64))
    assert picture.area == 1024 * 768
    assert picture.pixels.getpixel((32, 32)) == (254, 0, 0)


@pytest.mark.parametrize("mode", ["L", "CMYK"])
def test_a_fraction_of_a_jpeg_of_another_colour_model_keeps_its_colours(mode: str):
    limits = Limits(max_image_pixels=10_000).pictures
    file = saved(Image.new("RGB", (300, 300), (200, 200, 200)).convert(mode), "JPEG")
    assert np.allclose(np.asarray(open_picture(file, limits).pixels), 200, atol=3)


@pytest.mark.parametrize("size", [(900, 900), (60_000, 14), (14, 60_000)])
def test_a_jpeg_over_its_own_limit_is_refused_with_what_passes(size: tuple[int, int]):
    limits = Limits(max_image_pixels=600_000, max_jpeg_pixels=800_000).pictures
    said = f"{size[0]} x {size[1]} = {size[0] * size[1]:,} pixels; at most 600,000 are allowed, 800,000 in a JPEG"
    with pytest.raises(InvalidImage, match=said):
        open_picture(saved(Image.new("RGB", size), "JPEG"), limits, squeeze=squeezed(64, 64))


def test_a_jpeg_whose_eighth_is_over_the_limit_is_refused():
    with pytest.raises(InvalidImage, match="at most 100 are allowed"):
        open_picture(saved(Image.new("RGB", (800, 800)), "JPEG"), Limits(max_image_pixels=100).pictures)


def test_only_jpegs_have_fractions(monkeypatch: pytest.MonkeyPatch):
    assert decoded_of(monkeypatch, encoded("blue", (800, 800)), squeezed(64, 64)) == (800, 800)
