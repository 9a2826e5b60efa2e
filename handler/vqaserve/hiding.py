"""Pictures without some of their parts, and questions without some of their words."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import product

from PIL import Image, ImageStat

from vqaserve.types import Query

Part = tuple[int, int, int, int]
"""A part of a picture or of a grid as Pillow has boxes: left, top, right and bottom, the last two exclusive."""


def parts_of(shape: tuple[int, int], rows: int, columns: int) -> Iterator[Part]:
    """Equal parts of a rectangle of height and width, row by row."""
    height, width = shape
    for row, column in product(range(rows), range(columns)):
        top, bottom = (round(height * one / rows) for one in (row, row + 1))
        left, right = (round(width * one / columns) for one in (column, column + 1))
        yield left, top, right, bottom


def hidden_pixels(picture: Image.Image, parts: Sequence[Part]) -> Iterator[Image.Image]:
    """A picture of nothing, and for each part the picture without it and the part alone.

    What is hidden has the picture's mean colour, so that nothing stands out there.
    """
    mean = tuple(round(channel) for channel in ImageStat.Stat(picture).mean)
    blank = Image.new("RGB", picture.size, mean)
    yield blank
    for part in parts:
        without, alone = picture.copy(), blank.copy()
        without.paste(mean, part)
        alone.paste(picture.crop(part), part)
        yield from (without, alone)


def without_words(query: Query, words: Sequence[str]) -> Iterator[Query]:
    """The query without each of its words."""
    for place in range(len(words)):
        yield replace(query, question=" ".join((*words[:place], *words[place + 1 :])))
