"""Pixels of any depth and colour model -> 8-bit sRGB, or a refusal that names what came."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from io import BytesIO
from itertools import chain, product
from typing import cast

from PIL import Image, ImageChops, ImageCms, ImageMath
from PIL.TiffImagePlugin import (
    BITSPERSAMPLE,
    COMPRESSION,
    IMAGELENGTH,
    PHOTOMETRIC_INTERPRETATION,
    PLANAR_CONFIGURATION,
    ROWSPERSTRIP,
    SAMPLEFORMAT,
    STRIPOFFSETS,
    TiffImageFile,
)

from vqaserve.errors import InvalidImage

PROFILE_UNUSABLE = "the picture's colour profile cannot be used; its colours were taken for sRGB"
POLARITY_GUESSED = "the CMYK JPEG has no Adobe marker; it was read as Adobe writes it, with inverted inks"

WHAT_PASSES = "save it with 8 or 16 bits a channel, as PNG or JPEG"
_WHITE_IS_ZERO = 0
_SIGNED = 2
_SEPARATE_PLANES = 2
_NEGLIGIBLE = 3
"""Levels out of 255 by which a profile's colours may differ from sRGB's for the profile to be left out."""


def eight_bit(image: Image.Image) -> tuple[Image.Image, tuple[str, ...]]:
    """Bring the pixels of a decoded picture to 8 bits a channel; transparency is left out.

    Returns:
        Mode ``L``, ``RGB`` or ``CMYK``, and warnings for the sender.

    Raises:
        InvalidImage: The range of the values is not known.
    """
    if isinstance(image, TiffImageFile):
        _check_samples(image)
    if image.mode.startswith("I;16"):
        return _from_16_bit(image), ()
    if image.mode in ("I", "F"):
        return _from_32_bit(image)
    if image.mode == "LAB":
        return _from_lab(image), ()
    if image.mode in ("1", "L", "LA", "La"):
        return _in_mode(image.convert("LA") if image.mode == "La" else image, "L"), ()
    if image.mode == "CMYK":
        guessed = image.format in ("JPEG", "MPO") and "adobe" not in image.info
        return image, (POLARITY_GUESSED,) if guessed else ()
    if image.mode == "RGBa" or (image.mode in ("P", "PA") and image.has_transparency_data):
        image = image.convert("RGBA")  # the only way from these that Pillow has, or does not warn of
    return _in_mode(image, "RGB"), ()


def to_srgb(image: Image.Image, profile: bytes | None) -> tuple[Image.Image, tuple[str, ...]]:
    """Convert a picture of mode ``L``, ``RGB`` or ``CMYK`` to sRGB.

    Args:
        image: The picture.
        profile: Its ICC profile, if it has one.

    Returns:
        Mode ``RGB``, and warnings for the sender.
    """
    if profile:
        try:
            transform = _transform(profile, image.mode)
        except (ImageCms.PyCMSError, OSError, ValueError):
            return _in_mode(image, "RGB"), (PROFILE_UNUSABLE,)
        if transform:
            return transform(image), ()
    return _in_mode(image, "RGB"), ()


def _in_mode(image: Image.Image, mode: str) -> Image.Image:
    """The picture itself if it has the mode: Pillow's ``convert`` would copy it."""
    return image if image.mode == mode else image.convert(mode)


def _check_samples(image: TiffImageFile) -> None:
    tags = image.tag_v2
    bits, kind = tags.get(BITSPERSAMPLE, (1,))[0], tags.get(SAMPLEFORMAT, (1,))[0]
    if kind == _SIGNED and bits <= 16:
        raise InvalidImage(
            f"the TIFF has signed {bits}-bit samples, whose black and white are not known; {WHAT_PASSES}"
        )
    if tags.get(PHOTOMETRIC_INTERPRETATION) == _WHITE_IS_ZERO and image.mode in ("I", "F"):
        raise InvalidImage(f"the TIFF has {bits}-bit samples of which 0 is white (MinIsWhite); {WHAT_PASSES}")
    height = tags[IMAGELENGTH]
    rows = tags.get(ROWSPERSTRIP, height) * len(tags.get(STRIPOFFSETS, ()))
    if STRIPOFFSETS in tags and rows < height:  # Pillow leaves the rest black
        raise InvalidImage(f"the TIFF is damaged: it has {rows} of its {height} rows; send it again whole")
    is_compressed = tags.get(COMPRESSION, 1) != 1
    # Pillow takes the bytes of both for those of another order.
    if bits == 32 and is_compressed and tags.prefix == b"MM":
        raise InvalidImage(f"the TIFF has compressed {bits}-bit samples in big-endian order; {WHAT_PASSES}")
    if bits > 8 and not is_compressed and tags.get(PLANAR_CONFIGURATION) == _SEPARATE_PLANES:
        raise InvalidImage(f"the TIFF has {bits}-bit samples in separate planes; {WHAT_PASSES}")


def _from_16_bit(image: Image.Image) -> Image.Image:
    # Pillow's own conversion to 8 bits clips at 255 instead of scaling.
    bits, white_is_zero = 16, False
    if isinstance(image, TiffImageFile):
        bits = image.tag_v2.get(BITSPERSAMPLE, (16,))[0]
        white_is_zero = image.tag_v2.get(PHOTOMETRIC_INTERPRETATION) == _WHITE_IS_ZERO
    step = 1 / 2 ** (bits - 8)
    scaled = image.convert("I").point(lambda value: value * step).convert("L")
    return ImageChops.invert(scaled) if white_is_zero else scaled


def _from_32_bit(image: Image.Image) -> tuple[Image.Image, tuple[str, ...]]:
    """Scale 32-bit values, whose range no format states, by the range that they fill."""
    what = "32-bit floating-point" if image.mode == "F" else "32-bit integer"
    low, high = cast(tuple[float, float], image.getextrema())
    if image.mode == "F" and not _is_finite(image):
        raise InvalidImage(f"the picture has {what} samples that are not numbers (NaN or infinite); {WHAT_PASSES}")
    white = _white(image.mode, high)
    if low < 0 or white is None:
        values = f"{what} samples " + (f"from {low:g} to {high:g}" if image.mode == "F" else "outside 0 to 65,535")
        raise InvalidImage(f"the picture has {values}, whose black and white are not known; {WHAT_PASSES}")
    scale = 255 / white if white <= 255 else 1 / 256
    warning = f"the picture has {what} samples; 0 was taken for black and {white:g} for white"
    offset = 0.5 if image.mode == "F" else 0  # rounded as other tools round
    return image.point(lambda value: value * scale + offset).convert("L"), (warning,)


def _white(mode: str, high: float) -> float | None:
    """The value of white in a picture whose highest value is ``high``, None if it could be any."""
    if mode == "F" and high <= 1:
        return 1
    if mode == "F" and high < 16:
        return None  # 0 to 1 with highlights above, or a very dark 0 to 255
    return next((white for white in (255, 65535) if high <= white), None)


def _is_finite(image: Image.Image) -> bool:
    found = ImageMath.lambda_eval(lambda args: args["a"] - args["a"] == 0, a=image)
    return bool(found.getextrema() == (1, 1))


def _from_lab(image: Image.Image) -> Image.Image:
    lab, srgb = ImageCms.createProfile("LAB"), _srgb()
    return _converted(image, ImageCms.buildTransform(lab, srgb, "LAB", "RGB"))


@lru_cache(maxsize=4)
def _transform(profile: bytes, mode: str) -> Callable[[Image.Image], Image.Image] | None:
    """The conversion of a mode under a profile to sRGB; None if it would change next to nothing.

    Raises:
        ImageCms.PyCMSError, OSError, ValueError: The profile is damaged, or for another colour model.
    """
    source = ImageCms.ImageCmsProfile(BytesIO(profile))
    space = source.profile.xcolor_space.strip()
    if mode == "L" and space == "RGB":
        mode = "RGB"
    if space != {"L": "GRAY"}.get(mode, mode):
        raise ValueError(f"a profile for {space}, not {mode}")
    transform = ImageCms.buildTransform(source, _srgb(), mode, "RGB")
    if mode != "CMYK":
        probe = _probe(mode)
        before, after = probe.convert("RGB"), _converted(probe, transform)
        differences = cast(tuple[tuple[int, int], ...], ImageChops.difference(before, after).getextrema())
        if all(highest <= _NEGLIGIBLE for _, highest in differences):
            return None
    return lambda image: _converted(image.convert(mode), transform)


def _converted(image: Image.Image, transform: ImageCms.ImageCmsTransform) -> Image.Image:
    converted = ImageCms.applyTransform(image, transform)
    assert converted is not None  # not in place
    return converted


def _probe(mode: str) -> Image.Image:
    """A picture of one row, with colours from everywhere in the cube of a mode, ``L`` or ``RGB``."""
    colours = bytes(chain.from_iterable(product(range(0, 256, 51), repeat=len(mode))))
    return Image.frombytes(mode, (len(colours) // len(mode), 1), colours)


@lru_cache(maxsize=1)
def _srgb() -> ImageCms.ImageCmsProfile:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))
