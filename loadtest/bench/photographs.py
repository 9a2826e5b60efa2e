"""Synthetic photographs: crops of sample pictures in different light, the same at each call."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image, ImageEnhance, ImageOps

from vqaops.paths import RECIPES

PHOTOGRAPHS = 12
"""Photographs that a benchmark asks about."""
PHOTO = (640, 480)
_SOURCES = ("coffee.jpg", "clock.jpg")


def photographs(count: int, size: tuple[int, int] = PHOTO, quality: int = 88) -> list[bytes]:
    """Return ``count`` different JPEG files of about 60 kB (640 x 480), made from the samples of recipe `rooms`."""
    folder = RECIPES / "rooms" / "samples"
    return variants([folder / name for name in _SOURCES], count, size, quality)


def variants(
    sources: Sequence[Path], count: int, size: tuple[int, int] | None = None, quality: int = 88
) -> list[bytes]:
    """Return JPEG files that differ as much as photographs of one room; the same at each call.

    Args:
        sources: Picture files, used in turn.
        count: The number of files.
        size: Width and height in pixels; None keeps each source's own.
        quality: JPEG quality.
    """
    generator = np.random.default_rng(0)
    files = []
    for index in range(count):
        with Image.open(sources[index % len(sources)]) as opened:
            picture = opened.convert("RGB")
        crop = _random_crop(picture, size or picture.size, generator, 0.5)
        if generator.random() < 0.5:
            crop = ImageOps.mirror(crop)
        files.append(_as_photograph(crop, generator, 0.5, quality))
    return files


def shots(photographs: Sequence[bytes]) -> Iterator[list[bytes]]:
    """Yield further shots of the same photographs, one list after the other; the same files at each call.

    Each shot has a crop of at least 95 % of the sides, brightness, colour and contrast changed by up to 5 %, new noise
    and another JPEG quality.
    """
    generator = np.random.default_rng(1)
    pictures = [Image.open(BytesIO(photograph)).convert("RGB") for photograph in photographs]
    while True:
        yield [
            _as_photograph(
                _random_crop(picture, picture.size, generator, 0.95), generator, 0.05, int(generator.integers(80, 96))
            )
            for picture in pictures
        ]


def _random_crop(
    picture: Image.Image, size: tuple[int, int], generator: np.random.Generator, least: float
) -> Image.Image:
    """Return a random crop with at least the share ``least`` of each side, resized to ``size``."""
    share = generator.uniform(least, 1)
    width, height = (max(1, round(share * side)) for side in picture.size)
    left, top = generator.integers(0, (picture.width - width + 1, picture.height - height + 1))
    return picture.resize(size, Image.Resampling.BICUBIC, (left, top, left + width, top + height))


def _as_photograph(picture: Image.Image, generator: np.random.Generator, most: float, quality: int) -> bytes:
    """Return a JPEG file with noise, and brightness, colour and contrast changed by a share of ``most`` at most."""
    for change in (ImageEnhance.Brightness, ImageEnhance.Color, ImageEnhance.Contrast):
        picture = change(picture).enhance(generator.uniform(1 - most, 1 + most))
    # Sensor noise: without it the file of an enlarged picture has a third of the size.
    noise = generator.integers(-6, 7, (picture.height, picture.width, 1))
    pixels = np.clip(np.asarray(picture, np.int16) + noise, 0, 255).astype(np.uint8)
    file = BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=quality)
    return file.getvalue()
