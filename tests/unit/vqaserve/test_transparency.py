"""Transparent pixels of every format are laid on white, with a warning; opaque pictures come without one."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from tests.support.bombs import png_chunk
from tests.support.pictures import saved, triangle
from tests.support.pixel_files import png_of, tiff_of
from vqaserve.images import LAID_ON_WHITE, open_picture
from vqaserve.limits import Limits
from vqaserve.pictures import Opened

LIMITS = Limits().pictures
COLOUR = triangle()
GREY = COLOUR.convert("L")
C8, G8 = np.asarray(COLOUR), np.asarray(GREY)
C16, G16 = C8.astype(np.uint16) * 257, G8.astype(np.uint16) * 257
ALPHA = np.full((16, 24, 1), 255, np.uint8)
ALPHA[:8] = 0


def opened(file: bytes) -> Opened:
    return open_picture(file, LIMITS)


def trns(*values: int) -> bytes:
    return png_chunk(b"tRNS", b"".join(value.to_bytes(2) for value in values))


def laid_on_white(twin: np.ndarray, transparent: np.ndarray) -> np.ndarray:
    colour = np.asarray(Image.fromarray(twin).convert("RGB"))
    return np.where(transparent[..., None], 255, colour).astype(np.uint8)


RED = C8[8, 12]
KEYED = {
    f"{bits}-bit grey": (
        png_of(G8 >> (8 - bits), bits, trns(int(G8[8, 12]) >> (8 - bits))),
        laid_on_white((G8 >> (8 - bits)) * (255 // (2**bits - 1)), G8 >> (8 - bits) == G8[8, 12] >> (8 - bits)),
    )
    for bits in (1, 2, 4, 8)
} | {
    "16-bit grey": (png_of(G16, 16, trns(int(G16[8, 12]))), laid_on_white(G8, G8[8, 12] == G8)),
    "8-bit RGB": (png_of(C8, 8, trns(*map(int, RED))), laid_on_white(C8, (C8 == RED).all(2))),
    "16-bit RGB": (png_of(C16, 16, trns(*(257 * int(value) for value in RED))), laid_on_white(C8, (C8 == RED).all(2))),
}


@pytest.mark.parametrize(("file", "twin"), KEYED.values(), ids=KEYED)
def test_the_transparent_value_of_a_png_is_laid_on_white(file: bytes, twin: np.ndarray):
    picture = opened(file)
    assert np.array_equal(np.asarray(picture.pixels), twin)
    assert picture.warnings == ("the picture has transparent pixels; it was laid on white",)


@pytest.mark.parametrize(
    "file",
    [
        png_of(G16, 16, trns(int(G16[8, 12]) ^ 1)),
        png_of(C16, 16, trns(257 * int(RED[0]), 257 * int(RED[1]) ^ 1, 257 * int(RED[2]))),
        png_of(C8, 8, trns(1, 2, 3)),
        png_of(G16, 16, trns(7)),
    ],
    ids=["grey, another low byte", "RGB, another low byte", "RGB that is not there", "grey that is not there"],
)
def test_a_transparent_value_that_no_pixel_has_changes_nothing(file: bytes):
    picture = opened(file)
    assert picture.warnings == ()
    assert picture.pixels.getpixel((12, 8)) in [tuple(RED), (G8[8, 12],) * 3]


def with_alpha(alpha: np.ndarray) -> Image.Image:
    return Image.fromarray(np.concatenate([C8, alpha], 2))


HALF = laid_on_white(C8, ALPHA[..., 0] == 0)
DEEP_ALPHA = ALPHA.astype(np.uint16) * 257
PALETTE = COLOUR.convert("P", palette=Image.Palette.ADAPTIVE)
ALPHA_FILES = {
    "RGBA PNG": (saved(with_alpha(ALPHA)), HALF),
    "grey and alpha PNG": (png_of(np.concatenate([G8[..., None], ALPHA], 2)), laid_on_white(G8, ALPHA[..., 0] == 0)),
    "16-bit RGBA PNG": (png_of(np.concatenate([C16, DEEP_ALPHA], 2), 16), HALF),
    "RGBA WebP": (saved(with_alpha(ALPHA), "WEBP", lossless=True), HALF),
    "RGBA TIFF": (saved(with_alpha(ALPHA), "TIFF"), HALF),
    "premultiplied RGBA TIFF": (tiff_of(np.concatenate([C8 * (ALPHA > 0), ALPHA], 2).astype(np.uint8), t338=1), HALF),
    "16-bit RGBA TIFF": (tiff_of(np.concatenate([C16, DEEP_ALPHA], 2), t338=2), HALF),
    "grey and alpha TIFF": (saved(Image.merge("LA", (GREY, Image.fromarray(ALPHA[..., 0]))), "TIFF"), None),
}


@pytest.mark.parametrize(("file", "twin"), ALPHA_FILES.values(), ids=ALPHA_FILES)
def test_a_picture_with_alpha_is_laid_on_white(file: bytes, twin: np.ndarray | None):
    picture = opened(file)
    expected = laid_on_white(G8, ALPHA[..., 0] == 0) if twin is None else twin
    assert np.array_equal(np.asarray(picture.pixels), expected)
    assert picture.warnings == (LAID_ON_WHITE,)


@pytest.mark.parametrize("file_format", ["PNG", "GIF"])
def test_a_transparent_colour_of_a_palette_is_laid_on_white(file_format: str):
    index = PALETTE.getpixel((12, 8))
    picture = opened(saved(PALETTE, file_format, transparency=index))
    assert picture.pixels.getpixel((12, 8)) == (255, 255, 255)
    assert picture.pixels.getpixel((0, 0)) == (240, 238, 232)
    assert picture.warnings == (LAID_ON_WHITE,)


def test_half_transparent_colours_of_a_palette_are_mixed_with_white():
    levels = bytearray([255] * 256)
    levels[PALETTE.getpixel((12, 8))] = 128
    red, green, blue = opened(saved(PALETTE, transparency=bytes(levels))).pixels.getpixel((12, 8))
    assert (red, green, blue) == pytest.approx((255, 142, 132), abs=2)


@pytest.mark.parametrize("file_format", ["PNG", "WEBP", "TIFF"])
def test_alpha_that_is_opaque_everywhere_changes_nothing_and_says_nothing(file_format: str):
    options = {"lossless": True} if file_format == "WEBP" else {}
    picture = opened(saved(COLOUR.convert("RGBA"), file_format, **options))
    assert (picture.pixels.tobytes(), picture.warnings) == (COLOUR.tobytes(), ())
