"""Photographs to ask about: a small pool of different ones, and as many different files of each as are wanted."""

from __future__ import annotations

import itertools
import struct
from collections.abc import Iterator, Sequence
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image, ImageEnhance, ImageOps

from vqaops.paths import ROOT

PHOTO = (640, 480)
_SOURCES = ("coffee.jpg", "clock.jpg")
_START = b"\xff\xd8"
_copies = itertools.count()


def photographs(count: int, size: tuple[int, int] = PHOTO, quality: int = 88) -> list[bytes]:
    """Different JPEG files of about 60 kB (640 x 480): cuts of the samples of `rooms`, mirrored, in other light."""
    folder = ROOT / "recipes" / "rooms" / "samples"
    return variants([folder / name for name in _SOURCES], count, size, quality)


def variants(
    sources: Sequence[Path], count: int, size: tuple[int, int] | None = None, quality: int = 88
) -> list[bytes]:
    """The same files at each call; those of one source differ as much as two photographs of one room.

    Args:
        sources: Picture files.
        count: How many are wanted.
        size: Width and height; None keeps each source's own.
        quality: Of JPEG.
    """
    generator = np.random.default_rng(0)
    files = []
    for index in range(count):
        with Image.open(sources[index % len(sources)]) as opened:
            picture = opened.convert("RGB")
        cut = _cut(picture, size or picture.size, generator, 0.5)
        if generator.random() < 0.5:
            cut = ImageOps.mirror(cut)
        files.append(_taken(cut, generator, 0.5, quality))
    return files


def shots(photographs: Sequence[bytes]) -> Iterator[list[bytes]]:
    """Every photograph again and again, as from a hand that holds a camera; the same files at each call.

    Moved and nearer by up to 5 %, brightness, colour and contrast other by up to 5 %, new grain, other JPEG quality.
    """
    generator = np.random.default_rng(1)
    pictures = [Image.open(BytesIO(photograph)).convert("RGB") for photograph in photographs]
    while True:
        yield [
            _taken(_cut(picture, picture.size, generator, 0.95), generator, 0.05, int(generator.integers(80, 96)))
            for picture in pictures
        ]


def _cut(picture: Image.Image, size: tuple[int, int], generator: np.random.Generator, least: float) -> Image.Image:
    """A part of a picture, at least such a share of each side, made as large as is wanted."""
    share = generator.uniform(least, 1)
    width, height = (max(1, round(share * side)) for side in picture.size)
    left, top = generator.integers(0, (picture.width - width + 1, picture.height - height + 1))
    return picture.resize(size, Image.Resampling.BICUBIC, (left, top, left + width, top + height))


def _taken(picture: Image.Image, generator: np.random.Generator, most: float, quality: int) -> bytes:
    """A JPEG file of a picture, in light that is other by such a share at most."""
    for change in (ImageEnhance.Brightness, ImageEnhance.Color, ImageEnhance.Contrast):
        picture = change(picture).enhance(generator.uniform(1 - most, 1 + most))
    # A sensor's grain: without it an enlarged picture is a file of a third of the size.
    grain = generator.integers(-6, 7, (picture.height, picture.width, 1))
    pixels = np.clip(np.asarray(picture, np.int16) + grain, 0, 255).astype(np.uint8)
    file = BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=quality)
    return file.getvalue()


def new_file(photograph: bytes) -> bytes:
    """The same picture as a file that nobody has seen: a number in a JPEG comment.

    To a server that remembers pictures by their bytes it is a new one, to be decoded and computed; its right answer is
    known from the first.
    """
    assert photograph.startswith(_START)
    number = str(next(_copies)).encode()
    return _START + b"\xff\xfe" + struct.pack(">H", len(number) + 2) + number + photograph[len(_START) :]
