"""Pictures of every depth and colour model: the pixels of their 8-bit sRGB twin, or a refusal that names what came."""

from __future__ import annotations

import re
from io import BytesIO

import numpy as np
import pytest
from PIL import Image, ImageChops, ImageCms

from tests.support.pictures import saved, triangle
from tests.support.pixel_files import png_of, tiff_of
from tests.support.profiles import SRGB, cmyk_profile, grey_profile, rgb_profile
from vqaserve.colours import POLARITY_GUESSED, PROFILE_UNUSABLE
from vqaserve.errors import InvalidImage
from vqaserve.images import open_picture
from vqaserve.limits import Limits
from vqaserve.pictures import Opened

LIMITS = Limits().pictures
COLOUR = triangle()
GREY = COLOUR.convert("L")
C8, G8 = np.asarray(COLOUR), np.asarray(GREY)
C16, G16 = C8.astype(np.uint16) * 257, G8.astype(np.uint16) * 257
OPAQUE = np.full((16, 24, 1), 65535, np.uint16)


def opened(file: bytes) -> Opened:
    return open_picture(file, LIMITS)


def assert_like(file: bytes, twin: Image.Image | np.ndarray, tolerance: int = 1) -> None:
    expected = Image.fromarray(twin) if isinstance(twin, np.ndarray) else twin
    difference = np.asarray(opened(file).pixels, int) - np.asarray(expected.convert("RGB"), int)
    assert np.abs(difference).max() <= tolerance


DEEP = {
    "16-bit grey PNG": (png_of(G16, 16), GREY),
    "16-bit RGB PNG": (png_of(C16, 16), COLOUR),
    "16-bit grey and alpha PNG": (png_of(np.concatenate([G16[..., None], OPAQUE], 2), 16), GREY),
    "16-bit RGBA PNG": (png_of(np.concatenate([C16, OPAQUE], 2), 16), COLOUR),
    "1-bit grey PNG": (png_of(G8 >> 7, 1), G8 // 128 * 255),
    "2-bit grey PNG": (png_of(G8 >> 6, 2), G8 // 64 * 85),
    "4-bit grey PNG": (png_of(G8 >> 4, 4), G8 // 16 * 17),
    "16-bit grey TIFF": (tiff_of(G16), GREY),
    "16-bit grey TIFF, big-endian": (tiff_of(G16, order=">"), GREY),
    "16-bit RGB TIFF": (tiff_of(C16), COLOUR),
    "16-bit RGB TIFF, big-endian": (tiff_of(C16, order=">"), COLOUR),
    "16-bit RGBA TIFF": (tiff_of(np.concatenate([C16, OPAQUE], 2), t338=2), COLOUR),
    "8-bit TIFF, white is zero": (tiff_of(255 - G8, model=0), GREY),
    "16-bit TIFF, white is zero": (tiff_of(65535 - G16, model=0), GREY),
    "1-bit TIFF": (saved(GREY.convert("1"), "TIFF"), GREY.convert("1")),
    "1-bit fax TIFF": (saved(GREY.convert("1"), "TIFF", compression="group4"), GREY.convert("1")),
    "palette TIFF": (saved(COLOUR.convert("P"), "TIFF"), COLOUR.convert("P")),
    "YCbCr TIFF": (saved(COLOUR.convert("YCbCr"), "TIFF"), COLOUR),
    "CMYK TIFF": (saved(COLOUR.convert("CMYK"), "TIFF"), COLOUR),
    "16-bit CMYK TIFF": (tiff_of(np.asarray(COLOUR.convert("CMYK")).astype(np.uint16) * 257, model=5), COLOUR),
    "1-bit BMP": (saved(GREY.convert("1"), "BMP"), GREY.convert("1")),
    "palette GIF": (saved(COLOUR.convert("P"), "GIF"), COLOUR.convert("P")),
    "grey WebP": (saved(GREY, "WEBP", lossless=True), GREY),
    "CMYK JPEG": (saved(COLOUR.convert("CMYK"), "JPEG", quality=100), COLOUR),
}


@pytest.mark.parametrize(("file", "twin"), DEEP.values(), ids=DEEP)
def test_a_picture_of_another_depth_or_model_has_the_pixels_of_its_8_bit_twin(file: bytes, twin: Image.Image):
    assert_like(file, twin, 3)
    assert opened(file).warnings == ()


def test_a_lab_tiff_has_the_colours_that_it_was_made_of():
    srgb, lab = ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB")
    picture = ImageCms.applyTransform(COLOUR, ImageCms.buildTransform(srgb, lab, "RGB", "LAB"))
    assert_like(saved(picture, "TIFF"), COLOUR, 4)


RANGES = {
    "float, 0 to 1": (tiff_of((G8 / 255).astype(np.float32)), "32-bit floating-point samples; .* and 1 for white"),
    "float, 0 to 255": (tiff_of(G8.astype(np.float32)), "and 255 for white"),
    "float, 0 to 65535": (tiff_of(G16.astype(np.float32), order=">"), "and 65535 for white"),
    "integers, 0 to 255": (tiff_of(G8.astype(np.int32)), "32-bit integer samples; .* and 255 for white"),
    "integers, 0 to 65535": (tiff_of(G16.astype(np.int32), order=">"), "and 65535 for white"),
    "unsigned integers, 0 to 65535": (tiff_of(G16.astype(np.uint32)), "and 65535 for white"),
}


@pytest.mark.parametrize(("file", "warning"), RANGES.values(), ids=RANGES)
def test_32_bit_samples_are_read_by_the_range_that_they_fill_and_a_warning_says_so(file: bytes, warning: str):
    assert_like(file, GREY)
    (said,) = opened(file).warnings
    assert re.search(warning, said)


REFUSED = {
    "float, not a number": (tiff_of(np.where(G8 > 200, np.nan, G8).astype(np.float32)), "not numbers"),
    "float, infinite": (tiff_of(np.where(G8 > 200, np.inf, G8).astype(np.float32)), "not numbers"),
    "float, negative": (tiff_of(-G8.astype(np.float32)), "32-bit floating-point samples from -2"),
    "float, over 1": (tiff_of((G8 / 100).astype(np.float32)), "samples from .* to 2.*, whose black and white are not"),
    "float, white is zero": (tiff_of((G8 / 255).astype(np.float32), model=0), "0 is white"),
    "float RGB": (tiff_of((C8 / 255).astype(np.float32)), "TIFF of 3 32-bit floating-point samples .* RGB"),
    "double": (tiff_of(G8 / 255), "TIFF of 1 64-bit floating-point samples"),
    "half": (tiff_of((G8 / 255).astype(np.float16)), "TIFF of 1 16-bit floating-point samples"),
    "integers over 65535": (tiff_of(G8.astype(np.int32) * 2**20), "32-bit integer samples outside 0 to 65,535"),
    "integers, negative": (tiff_of(G8.astype(np.int32) - 128), "32-bit integer samples outside 0 to 65,535"),
    "signed 16-bit": (tiff_of(G8.astype(np.int16) * 128), "signed 16-bit samples"),
    "signed 8-bit": (tiff_of((G8 // 2).astype(np.int8)), "signed 8-bit samples"),
    "64-bit": (tiff_of(G8.astype(np.uint64)), "TIFF of 1 64-bit unsigned samples"),
    "16-bit RGB in planes": (tiff_of(C16, t284=2), "16-bit samples in separate planes"),
    "16-bit grey and alpha TIFF": (tiff_of(np.concatenate([G16[..., None], OPAQUE], 2), t338=2), "TIFF of 2 16-bit"),
    "YCbCr TIFF, subsampled": (
        tiff_of(C8[:8], model=6, t257=16, t278=16),
        "colour model YCbCr with subsampled colours",
    ),
    "ICC Lab TIFF": (tiff_of(C8, model=9), "colour model number 9"),
    "LogLuv TIFF": (tiff_of(C8, model=32845), "colour model number 32845"),
}


@pytest.mark.parametrize(("file", "name"), REFUSED.values(), ids=REFUSED)
def test_a_kind_that_cannot_be_read_is_named_with_what_would_pass(file: bytes, name: str):
    with pytest.raises(InvalidImage, match=rf"{name}.*; save it with 8 or 16 bits a channel, as PNG or JPEG"):
        opened(file)


def test_a_tiff_without_its_last_rows_is_not_answered_as_a_picture_that_ends_in_black():
    with pytest.raises(InvalidImage, match=r"the TIFF is damaged: it has 8 of its 16 rows; send it again whole"):
        opened(tiff_of(C8[:8], t257=16))


@pytest.mark.parametrize(("at", "byte", "name"), [(4, 12, "12 bits a sample"), (1, 0xC3, "lossless mode")])
def test_a_jpeg_of_a_rare_kind_is_named(at: int, byte: int, name: str):
    file = bytearray(saved(COLOUR, "JPEG"))
    file[file.index(b"\xff\xc0") + at] = byte
    with pytest.raises(InvalidImage, match=rf"is a JPEG of .*{name}, which cannot be read"):
        opened(bytes(file))


def test_a_cmyk_jpeg_without_adobes_marker_is_read_with_a_warning():
    whole = saved(COLOUR.convert("CMYK"), "JPEG", quality=100)
    marker = whole.index(b"\xff\xee")
    without = whole[:marker] + whole[marker + 2 + int.from_bytes(whole[marker + 2 : marker + 4]) :]
    assert opened(without).warnings == (POLARITY_GUESSED,)
    assert_like(without, COLOUR, 3)


def test_a_ycck_jpeg_has_the_colours_that_it_was_made_of():
    cyan, magenta, yellow, black = COLOUR.convert("CMYK").split()
    inks = Image.merge("RGB", (cyan, magenta, yellow)).convert("YCbCr")
    stored = Image.merge("CMYK", (*(ImageChops.invert(band) for band in inks.split()), black))
    file = bytearray(saved(stored, "JPEG", quality=100))
    file[file.index(b"Adobe") + 11] = 2  # the transform
    assert_like(bytes(file), COLOUR, 6)


def converted(picture: Image.Image, profile: bytes) -> Image.Image:
    return ImageCms.profileToProfile(picture, BytesIO(profile), ImageCms.createProfile("sRGB"), outputMode="RGB")


@pytest.mark.parametrize(("file_format", "options"), [("PNG", {}), ("TIFF", {}), ("WEBP", {"lossless": True})])
def test_a_wide_gamut_profile_is_converted_to_srgb(file_format: str, options: dict):
    profile = rgb_profile()
    file = saved(COLOUR, file_format, icc_profile=profile, **options)
    assert_like(file, converted(COLOUR, profile))
    assert np.abs(np.asarray(opened(file).pixels, int) - C8).max() > 20


def test_the_profile_of_a_phones_jpeg_is_converted():
    profile, bare = rgb_profile(), saved(COLOUR, "JPEG", quality=95)
    assert_like(saved(COLOUR, "JPEG", quality=95, icc_profile=profile), converted(Image.open(BytesIO(bare)), profile))


@pytest.mark.parametrize("mode", ["RGBA", "P"])
def test_a_profile_applies_to_a_palette_and_beside_alpha(mode: str):
    picture, profile = COLOUR.convert(mode), rgb_profile()
    assert_like(saved(picture, "PNG", icc_profile=profile), converted(picture.convert("RGB"), profile))


def test_a_grey_profile_is_converted():
    assert_like(saved(GREY, "PNG", icc_profile=grey_profile(1.0)), converted(GREY, grey_profile(1.0)))


@pytest.mark.parametrize("file_format", ["TIFF", "JPEG"])
def test_a_cmyk_profile_is_converted(file_format: str):
    bare = Image.open(BytesIO(saved(COLOUR.convert("CMYK"), file_format)))
    file = saved(COLOUR.convert("CMYK"), file_format, icc_profile=cmyk_profile())
    assert_like(file, converted(bare, cmyk_profile()))


def test_a_profile_that_is_nearly_srgb_changes_nothing():
    assert opened(saved(COLOUR, "PNG", icc_profile=rgb_profile(SRGB))).pixels.tobytes() == COLOUR.tobytes()


@pytest.mark.parametrize("profile", [b"x" * 500, cmyk_profile(), rgb_profile()[:200]], ids=["noise", "CMYK", "cut off"])
def test_an_unusable_profile_is_left_out_with_a_warning(profile: bytes):
    picture = opened(saved(COLOUR, "PNG", icc_profile=profile))
    assert (picture.pixels.tobytes(), picture.warnings) == (COLOUR.tobytes(), (PROFILE_UNUSABLE,))
