from __future__ import annotations

import contextlib
import struct
import zlib
from io import BytesIO

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageOps

from tests.support.bombs import png_chunk
from tests.support.pictures import animated, encoded, saved, triangle
from vqaserve.errors import InvalidImage
from vqaserve.images import open_picture
from vqaserve.limits import Limits
from vqaserve.picture_formats import FORMATS

LIMITS = Limits().pictures


@pytest.mark.parametrize("file_format", FORMATS)
def test_every_allowed_format_is_decoded_to_rgb(file_format: str):
    pixels = open_picture(encoded("blue", (32, 16), file_format), LIMITS).pixels
    assert (pixels.mode, pixels.size) == ("RGB", (32, 16))
    assert np.allclose(np.asarray(pixels)[8, 16], (0, 0, 255), atol=3)


@pytest.mark.parametrize("file_format", ["PPM", "PCX", "TGA", "ICO", "EPS", "PDF"])
def test_other_formats_are_refused_naming_the_allowed_ones(file_format: str):
    with pytest.raises(InvalidImage, match="is not a JPEG, PNG, WEBP, GIF, BMP or TIFF file"):
        open_picture(encoded("blue", (32, 16), file_format), LIMITS)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("file_format", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_exif_orientation_is_applied_in_every_format_that_has_it(file_format: str, orientation: int):
    exif = Image.Exif()
    exif[0x0112] = orientation
    options = {"JPEG": {"quality": 100, "subsampling": 0}, "WEBP": {"lossless": True}}.get(file_format, {})
    data = saved(triangle(), file_format, exif=exif, **options)
    upright = ImageOps.exif_transpose(Image.open(BytesIO(data))).convert("RGB")
    assert open_picture(data, LIMITS).pixels.tobytes() == upright.tobytes()


@pytest.mark.parametrize("orientation", [0, 9, 65_535])
def test_an_orientation_that_does_not_exist_is_left_out(orientation: int):
    exif = Image.Exif()
    exif[0x0112] = orientation
    assert open_picture(saved(triangle(), exif=exif), LIMITS).pixels.tobytes() == triangle().tobytes()


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


def test_an_empty_file_is_refused():
    with pytest.raises(InvalidImage, match=r"empty \(0 bytes\)"):
        open_picture(b"", LIMITS)


def test_too_many_bytes_are_refused_before_decoding():
    with pytest.raises(InvalidImage, match="has 2,000 bytes; at most 1,000"):
        open_picture(b"x" * 2000, Limits(max_image_bytes=1000).pictures)


def test_too_many_pixels_are_refused_with_the_size():
    with pytest.raises(InvalidImage, match="is 40 x 30 = 1,200 pixels; at most 1,000 are allowed, 51,000,000 in"):
        open_picture(encoded(size=(40, 30)), Limits(max_image_pixels=1000).pictures)


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
    def exhausted(image, profile):
        raise MemoryError

    monkeypatch.setattr("vqaserve.images.to_srgb", exhausted)
    with pytest.raises(MemoryError):
        open_picture(encoded(), LIMITS)


@pytest.mark.parametrize("tags", [b"II*\0\x08\0\0\0\xff\xff", b"", b"noise" * 20, b"II*\0\xff\xff\xff\xff"])
@pytest.mark.parametrize("file_format", ["JPEG", "PNG", "WEBP"])
def test_damaged_exif_does_not_refuse_a_whole_picture(file_format: str, tags: bytes):
    assert open_picture(saved(triangle(), file_format, exif=b"Exif\0\0" + tags), LIMITS).pixels.size == (24, 16)


def jpeg_with(*segments: tuple[int, bytes]) -> bytes:
    """A JPEG with more application segments, by number."""
    bare = saved(triangle(), "JPEG")
    added = (bytes([0xFF, 0xE0 + number]) + struct.pack(">H", len(data) + 2) + data for number, data in segments)
    return bare[:2] + b"".join(added) + bare[2:]


METADATA = {
    "much XMP": jpeg_with(*[(1, b"http://ns.adobe.com/xap/1.0/\0" + b" " * 60_000)] * 40),
    "a large profile in parts": jpeg_with(
        *[(2, b"ICC_PROFILE\0" + bytes([part + 1, 20]) + bytes(60_000)) for part in range(20)]
    ),
    "Photoshop's resources, cut off": jpeg_with((13, b"Photoshop 3.0\0" + b"8BIM\x04\x04\0\0\xff\xff\xff\xff")),
    "EXIF, cut off": jpeg_with((1, b"Exif\0\0II*\0\x08\0\0\0\xff\xff")),
    "bytes behind the end": saved(triangle(), "JPEG") + b"\0" * 5000,
    "a thumbnail that is no picture": jpeg_with((0, b"JFXX\0\x10" + b"noise" * 100)),
}


@pytest.mark.parametrize("file", METADATA.values(), ids=METADATA)
def test_metadata_of_a_jpeg_does_not_matter(file: bytes):
    bare = open_picture(saved(triangle(), "JPEG"), LIMITS)
    assert open_picture(file, LIMITS).pixels.tobytes() == bare.pixels.tobytes()


@pytest.mark.parametrize(
    ("file_format", "options"),
    [
        ("WEBP", {"lossless": True, "xmp": b" " * 2_000_000}),
        ("TIFF", {"description": "x" * 2_000_000}),
        ("GIF", {"comment": b"x" * 200_000}),
    ],
)
def test_large_metadata_of_other_formats_does_not_matter(file_format: str, options: dict):
    picture = triangle().convert("L")
    opened = open_picture(saved(picture, file_format, **options), LIMITS)
    assert opened.pixels.tobytes() == picture.convert("RGB").tobytes()


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
    limits = Limits(max_image_pixels=10_000).pictures
    file = bytearray(encoded("red", (24, 16), file_format))
    for _ in range(changes):
        file[data.draw(st.integers(0, len(file) - 1))] = data.draw(st.integers(0, 255))
    with contextlib.suppress(InvalidImage):
        pixels = open_picture(bytes(file), limits).pixels
        assert pixels.mode == "RGB"
        assert pixels.width * pixels.height <= limits.max_image_pixels
