"""Which pixels of a picture are transparent, whatever way its format says so."""

from __future__ import annotations

from functools import reduce
from io import BytesIO

from PIL import Image, ImageChops

_PREMULTIPLIED = {"La": "LA", "RGBa": "RGBA"}
_LEVELS_BETWEEN = {"L;2": 255 // 3, "L;4": 255 // 15}
"""Pillow spreads the levels of 2-bit and 4-bit grey over 0 to 255, but not the transparent one among them."""


def opacity_of(image: Image.Image, rawmode: str, data: bytes) -> Image.Image | None:
    """Return how opaque each pixel is.

    Args:
        image: A decoded picture.
        rawmode: How Pillow unpacked its pixels.
        data: Its file.

    Returns:
        Mode ``L``, 0 is transparent; None if every pixel is opaque.
    """
    alpha = _alpha(image, rawmode, data)
    return None if alpha is None or alpha.getextrema() == (255, 255) else alpha


def _alpha(image: Image.Image, rawmode: str, data: bytes) -> Image.Image | None:
    if not image.has_transparency_data:
        return None
    if image.mode in _PREMULTIPLIED:
        image = image.convert(_PREMULTIPLIED[image.mode])
    if "A" in image.getbands():
        return image.getchannel("A")
    if image.mode == "P":
        return image.convert("RGBA").getchannel("A")
    return _unlike(image, image.info["transparency"], rawmode, data)


def _unlike(image: Image.Image, transparent: int | tuple[int, ...], rawmode: str, data: bytes) -> Image.Image:
    """0 where a pixel has the transparent value, which is as deep as the file's pixels, else 255."""
    if isinstance(transparent, int):
        if image.mode.startswith("I;16"):
            return _where_not(image.convert("I"), transparent)
        return _where_not(image.convert("L"), transparent * _LEVELS_BETWEEN.get(rawmode, 1))
    if not rawmode.startswith("RGB;16"):
        return _where_none_differs(image.split(), transparent)
    high = _where_none_differs(image.split(), [value >> 8 for value in transparent])
    if high.getextrema() == (255, 255):
        return high
    with Image.open(BytesIO(data), formats=["PNG"]) as again:
        again.tile = [tile._replace(args="RGB;16L") for tile in again.tile]  # in the other byte order: the low bytes
        low = _where_none_differs(again.split(), [value & 255 for value in transparent])
    return ImageChops.lighter(high, low)


def _where_none_differs(channels: tuple[Image.Image, ...], values: list[int] | tuple[int, ...]) -> Image.Image:
    """0 where every channel has its value, else 255."""
    return reduce(ImageChops.lighter, map(_where_not, channels, values))


def _where_not(channel: Image.Image, value: int) -> Image.Image:
    """0 where a channel has the value, else 255."""
    if channel.mode == "L":
        return channel.point([0 if level == value else 255 for level in range(256)])
    above = channel.point(lambda level: level * 1 - value).convert("L")
    below = channel.point(lambda level: level * -1 + value).convert("L")
    return ImageChops.lighter(above, below).point([0, *[255] * 255])
