"""What is asked, in which order: streams of questions for each connection."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from loadtest.bench.pictures import new_file

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
IN_A_ROW = 8
"""Questions of a `chat` about one picture."""
CATALOGUE = 200
"""Pairs that `zipf` draws from."""
EXPONENT = 1.0
"""The pair of rank r is asked 1 / r ** EXPONENT as often as the first."""


@dataclass(frozen=True, slots=True)
class Pair:
    """A picture of the pool and a question; its number is that of its expected answer."""

    number: int
    photograph: bytes
    question: str


@dataclass(frozen=True, slots=True)
class Ask:
    """One request: the pair, and the file that is sent for its picture."""

    pair: Pair
    image: bytes


Stream = Iterator[Ask]
Mix = Callable[[Sequence[Pair]], Stream]
"""A new stream, as one connection asks it."""
_random = np.random.default_rng(0)


def all_pairs(photographs: list[bytes], questions: tuple[str, ...] = QUESTIONS) -> list[Pair]:
    """Every question about every photograph, a photograph's own after one another."""
    product = itertools.product(photographs, questions)
    return [Pair(number, photograph, question) for number, (photograph, question) in enumerate(product)]


def unique(pairs: Sequence[Pair]) -> Stream:
    """Every picture is new."""
    while True:
        for number in _random.permutation(len(pairs)):
            pair = pairs[number]
            yield Ask(pair, new_file(pair.photograph))


def chat(pairs: Sequence[Pair]) -> Stream:
    """Eight different questions in a row about a new picture, then the next picture."""
    rows = [pairs[start : start + IN_A_ROW] for start in range(0, len(pairs), IN_A_ROW)]
    while True:
        for number in _random.permutation(len(rows)):
            image = new_file(rows[number][0].photograph)
            yield from (Ask(pair, image) for pair in rows[number])


class Zipf:
    """Popular pairs come again and again: a fixed catalogue, the same for every connection and round."""

    def __init__(self, pairs: Sequence[Pair]) -> None:
        rows = [pairs[start : start + IN_A_ROW] for start in range(0, len(pairs), IN_A_ROW)]
        images = [(row, new_file(row[0].photograph)) for row, _ in zip(itertools.cycle(rows), range(CATALOGUE // 8))]
        asks = [Ask(pair, image) for row, image in images for pair in row]
        order = _random.permutation(len(asks))
        self._asks = [asks[number] for number in order]
        weights = 1 / np.arange(1, len(asks) + 1) ** EXPONENT
        self._shares = weights / weights.sum()

    def __call__(self, pairs: Sequence[Pair]) -> Stream:
        """Draws from the catalogue by popularity."""
        del pairs
        while True:
            for number in _random.choice(len(self._asks), 64, p=self._shares):
                yield self._asks[number]
