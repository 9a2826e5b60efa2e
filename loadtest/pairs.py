"""Pairs of a picture and a question, and the requests that ask them."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

QUESTIONS = (
    "what color is the table?",
    "how many clocks are on the wall?",
    "what is on the left side of the cup?",
    "is there a window in the room?",
    "what is behind the chair?",
    "what is the largest object in this picture?",
    "what is under the lamp on the right side of the desk?",
    "where is the spoon?",
)


@dataclass(frozen=True, slots=True)
class Pair:
    """A picture file and a question; ``number`` is the index of the pair's expected answer."""

    number: int
    picture: bytes
    question: str


@dataclass(frozen=True, slots=True)
class PairRequest:
    """A pair and the file that is sent for its picture, such as a copy that no cache has seen."""

    pair: Pair
    image: bytes


RequestStream = Iterator[PairRequest]
"""What one connection sends, request by request."""


def all_pairs(pictures: Sequence[bytes], questions: Sequence[str] = QUESTIONS) -> list[Pair]:
    """Return every question about every picture, grouped by picture."""
    product = itertools.product(pictures, questions)
    return [Pair(number, picture, question) for number, (picture, question) in enumerate(product)]
