"""Where the words and lines of a page are, found from its pixels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from vqaops.training.redactions.pages import Grey

Place = tuple[int, int, int, int]
"""Left, top, right and bottom in pixels; right and bottom are the first pixels outside."""

_INK = 140
_SHORTEST, _TALLEST = 8, 60
_NARROWEST_WORD = 24
"""Pixels at 150 dpi: as wide as two letters."""

_LETTER_GAP, _WORD_GAP = 5, 40
"""Pixels at 150 dpi: letters that are closer belong to a word, words that are closer to a line."""


@dataclass(frozen=True, slots=True)
class Layout:
    """The text of a page.

    Attributes:
        words: Boxes of words of at least two letters.
        lines: Boxes of lines, from top to bottom; a page with columns has several side by side.
    """

    words: list[Place]
    lines: list[Place]


def find_layout(page: Grey) -> Layout:
    """Find words and lines; figures and rules that are much taller or flatter than text are left out."""
    ink = page[: page.shape[0] // 2 * 2, : page.shape[1] // 2 * 2] < _INK
    half: NDArray[np.bool_] = ink[::2, ::2] | ink[1::2, ::2] | ink[::2, 1::2] | ink[1::2, 1::2]
    words = [place for place in _boxes(half, _LETTER_GAP // 2) if _is_word(place)]
    return Layout(words, sorted(_boxes(half, _WORD_GAP // 2), key=lambda place: place[1]))


def _is_word(place: Place) -> bool:
    """Whether a place is as wide as two letters; bullets, single digits and the keys of a keyboard are not."""
    width, height = place[2] - place[0], place[3] - place[1]
    return width >= max(_NARROWEST_WORD, 1.2 * height)


def content(page: Grey) -> Place:
    """The box of everything that is not blank; the whole page if all of it is."""
    ink = page < _INK
    rows, columns = np.flatnonzero(ink.any(1)), np.flatnonzero(ink.any(0))
    if not len(rows):
        return (0, 0, page.shape[1], page.shape[0])
    return (int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1)


def _boxes(ink: NDArray[np.bool_], gap: int) -> list[Place]:
    joined = ndimage.minimum_filter1d(ndimage.maximum_filter1d(ink.view(np.uint8), gap + 1, axis=1), gap + 1, axis=1)
    labels, _ = ndimage.label(joined, np.ones((3, 3), int))
    found = []
    for rows, columns in ndimage.find_objects(labels):
        place = (2 * columns.start, 2 * rows.start, 2 * columns.stop, 2 * rows.stop)
        height, width = place[3] - place[1], place[2] - place[0]
        if _SHORTEST <= height <= _TALLEST and width >= 0.7 * height:
            found.append(place)
    return found
