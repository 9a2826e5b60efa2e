from __future__ import annotations

import contextlib
import struct
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from tests.support.bombs import png_chunk
from tests.support.pictures import animated, encoded, saved
from vqaserve.errors import InvalidImage
from vqaserve.images import FORMATS, open_picture
from vqaserve.settings import Limits
from vqaserve.types import Squeeze

LIMITS = Limits()


@pytest.mark.parametrize("file_format", FORMATS)
def test_every_allowed_format_is_decoded_to_rgb(file_format: str):
    pixels = open_picture(encoded("blue", (32, 16), file_format), LIMITS).pixels
    assert (pixels.mode, pixels.size) == ("RGB", (32, 16))
    assert np.allclose(np.asarray(pixels)[8, 16], (0, 0, 255), atol=3)


@pytest.mark.parametrize("file_format", ["PPM", "PCX", "TGA", "ICO", "EPS", "PDF"])
def test_other_formats_are_refused_naming_the_allowed_ones(file_format: str):
    with pytest.raises(InvalidImage, match="is not a JPEG, PNG, WEBP, GIF, BMP or TIFF file"):
        open_picture(encoded("blue", (32, 16), file_format), LIMITS)


def test_exif_orientation_is_applied():
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by 90 degrees
    data = saved(Image.new("RGB", (20, 10), "red"), "JPEG", exif=exif)
    assert open_picture(data, LIMITS).pixels.size == (10, 20)


def test_transparency_is_laid_on_white():
    data = saved(Image.new("RGBA", (2, 2), (0, 0, 0, 0)))
    assert open_picture(data, LIMITS).pixels.getpixel((0, 0)) == (255, 255, 255)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "CMYK", "YCbCr", "I;16", "F"])
def test_every_colour_mode_becomes_rgb(mode: str):
    file_format = "TIFF" if mode in ("CMYK", "YCbCr", "F") else "PNG"
    data = saved(Image.new("L", (3, 2), 200).convert(mode), file_format)
    assert open_picture(data, LIMITS).pixels.mode == "RGB"


def test_sixteen_bit_grey_is_scaled_not_clipped():
    data = saved(Image.fromarray(np.full((2, 2), 128 * 256, dtype=np.uint16)))
    assert open_picture(data, LIMITS).pixels.getpixel((0, 0)) == (128, 128, 128)


def test_the_first_frame_of_an_animation_is_taken():
    frames = [Image.new("RGB", (2, 2), colour) for colour in ("red", "blue")]
    data = saved(frames[0], "GIF", save_all=True, append_images=frames[1:])
    assert open_picture(data, LIMITS).pixels.getpixel((0, 0)) == (255, 0, 0)


@pytest.mark.parametrize("file_format", ["GIF", "PNG", "WEBP", "TIFF"])
def test_a_file_of_several_frames_says_so(file_format: str):
    picture = open_picture(animated("red", file_format), LIMITS)
    assert picture.warnings == ("the picture has several frames or pages; only the first was used",)
    assert picture.pixels.getpixel((0, 0)) in [(255, 0, 0), (255, 1, 0)]  # WebP loses a little


@pytest.mark.parametrize("file_format", FORMATS)
def test_a_file_of_one_frame_says_nothing(file_format: str):
    assert open_picture(encoded("blue", (32, 16), file_format), LIMITS).warnings == ()


def test_a_damaged_second_frame_costs_nothing():
    whole = animated()
    picture = open_picture(whole[: whole.rindex(b"\x2c") + 5], LIMITS)
    assert picture.pixels.getpixel((0, 0)) == (255, 0, 0)


def test_the_other_pictures_that_phones_hide_in_a_jpeg_are_no_frames():
    frames = [Image.new("RGB", (32, 16), colour) for colour in ("blue", "black")]
    picture = open_picture(saved(frames[0], "MPO", save_all=True, append_images=frames[1:]), LIMITS)
    assert (picture.warnings, picture.pixels.size) == ((), (32, 16))


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
    assert part.area == 1700 * 1300
    at_once = whole.pixels.resize((200, 150), Image.Resampling.BILINEAR)
    assert np.abs(np.asarray(at_once, float) - np.asarray(part.pixels, float)).mean() < 1


def test_a_fraction_is_enough_whichever_way_a_photograph_is_turned(monkeypatch: pytest.MonkeyPatch):
    exif = Image.Exif()
    exif[0x0112] = 6  # a quarter to the right
    file = saved(Image.new("RGB", (1800, 500), "red"), "JPEG", exif=exif)
    assert decoded_of(monkeypatch, file, squeezed(100, 200)) == (500, 1800)
    assert decoded_of(monkeypatch, file, squeezed(100, 120)) == (250, 900)


def test_the_limit_of_pixels_is_the_files_own_however_few_are_decoded():
    file = saved(Image.new("RGB", (800, 800)), "JPEG")
    with pytest.raises(InvalidImage, match="800 x 800 = 640,000 pixels"):
        open_picture(file, Limits(max_image_pixels=600_000), squeeze=squeezed(64, 64))


def test_only_jpegs_have_fractions(monkeypatch: pytest.MonkeyPatch):
    assert decoded_of(monkeypatch, encoded("blue", (800, 800)), squeezed(64, 64)) == (800, 800)


def test_an_empty_file_is_refused():
    with pytest.raises(InvalidImage, match=r"empty \(0 bytes\)"):
        open_picture(b"", LIMITS)


def test_too_many_bytes_are_refused_before_decoding():
    with pytest.raises(InvalidImage, match="has 2,000 bytes; at most 1,000"):
        open_picture(b"x" * 2000, Limits(max_image_bytes=1000))


def test_too_many_pixels_are_refused_with_the_size():
    with pytest.raises(InvalidImage, match="is 40 x 30 = 1,200 pixels; at most 1,000 are allowed"):
        open_picture(encoded(size=(40, 30)), Limits(max_image_pixels=1000))


@pytest.mark.parametrize("side", [4_000, 12_000, 60_000])
def test_a_decompression_bomb_is_refused_from_its_header(side: int):
    header = png_chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0))
    bomb = b"\x89PNG\r\n\x1a\n" + header + png_chunk(b"IDAT", zlib.compress(b"\0" * 1000))
    with pytest.raises(InvalidImage, match="pixels"):
        open_picture(bomb, LIMITS)


@pytest.mark.parametrize("file_format", FORMATS)
def test_a_truncated_file_is_refused(file_format: str):
    noise = Image.effect_noise((64, 64), 90).convert("RGB")
    data = saved(noise, file_format)
    with pytest.raises(InvalidImage):
        open_picture(data[: len(data) // 2], LIMITS)


def test_running_out_of_memory_is_not_the_pictures_fault(monkeypatch: pytest.MonkeyPatch):
    def exhausted(image):
        raise MemoryError

    monkeypatch.setattr("vqaserve.images._rgb", exhausted)
    with pytest.raises(MemoryError):
        open_picture(encoded(), LIMITS)


def test_odd_exif_beside_the_orientation_does_not_refuse_a_whole_picture(monkeypatch: pytest.MonkeyPatch):
    def failing(image):
        raise TypeError("an EXIF tag of an unexpected type")

    monkeypatch.setattr("PIL.ImageOps.exif_transpose", failing)
    assert open_picture(encoded(), LIMITS).pixels.size == (4, 3)


def test_32_bit_grey_keeps_its_values():
    data = saved(Image.new("I", (2, 2), 200), "TIFF")
    assert open_picture(data, LIMITS).pixels.getpixel((0, 0)) == (200, 200, 200)


@given(st.binary(max_size=300), st.sampled_from(FORMATS))
@settings(derandomize=True, max_examples=150, deadline=None)
def test_any_bytes_are_a_picture_or_a_refusal(noise: bytes, file_format: str):
    start = encoded("red", (8, 8), file_format)
    for data in (noise, start[: len(start) // 3] + noise):
        with contextlib.suppress(InvalidImage):
            assert open_picture(data, LIMITS).pixels.mode == "RGB"


SIDES = st.integers(1, 60)


@given(
    SIDES, SIDES, st.sampled_from(["1", "L", "LA", "P", "RGB", "RGBA"]), st.sampled_from(["PNG", "GIF", "TIFF", "BMP"])
)
@settings(derandomize=True, max_examples=100, deadline=None)
def test_a_whole_picture_of_any_size_and_mode_keeps_its_size(width: int, height: int, mode: str, file_format: str):
    image = Image.new(mode if file_format in ("PNG", "TIFF") else "RGB", (width, height))
    pixels = open_picture(saved(image, file_format), LIMITS).pixels
    assert (pixels.mode, pixels.size) == ("RGB", (width, height))


@given(st.data(), st.sampled_from(FORMATS), st.integers(1, 8))
@settings(derandomize=True, max_examples=200, deadline=None)
def test_a_picture_whose_bytes_were_changed_is_within_the_limits_or_refused(
    data: st.DataObject, file_format: str, changes: int
):
    limits = Limits(max_image_pixels=10_000)
    file = bytearray(encoded("red", (24, 16), file_format))
    for _ in range(changes):
        file[data.draw(st.integers(0, len(file) - 1))] = data.draw(st.integers(0, 255))
    with contextlib.suppress(InvalidImage):
        pixels = open_picture(bytes(file), limits).pixels
        assert pixels.mode == "RGB"
        assert pixels.width * pixels.height <= limits.max_image_pixels
