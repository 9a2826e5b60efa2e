"""Pictures and questions for the tests of families, and checks of their answers."""

from __future__ import annotations

from collections.abc import Sequence
from io import BytesIO
from typing import Any

import numpy as np
import pytest
from PIL import Image

from vqaserve.families.base import Family
from vqaserve.types import Answer, Query, Turn

SHORT, LONG = "what is the colour?", "how many red chairs are there at the table next to the window, and is it open?"


def photo(width: int, height: int, seed: int = 0) -> Image.Image:
    noise = np.random.default_rng(seed).integers(0, 256, (4, 5, 3), dtype=np.uint8)
    return Image.fromarray(noise).resize((width, height), Image.Resampling.BICUBIC)


def asked(text: str, top_k: int = 1) -> Query:
    """A query of every task: the text is its question and its first label; each family reads what it needs."""
    labels = tuple(dict.fromkeys((text, "a chair", "two lamps and a window")))
    return Query(b"", text, top_k=top_k, labels=labels, hypothesis_template="a photo of {}")


def talk(*turns: tuple[str | int, ...] | str, system: str = "") -> tuple[Turn, ...]:
    """Turns of the user, as their parts, and of the assistant, as text."""
    said = [Turn("assistant", (one,)) if isinstance(one, str) else Turn("user", one) for one in turns]
    return (Turn("system", (system,)), *said) if system else tuple(said)


PAIRS = [
    (photo(80, 60, 0), asked(SHORT, 3)),
    (photo(60, 80, 1), asked(LONG, 3)),
    (photo(80, 60, 2), asked(LONG, 1)),
    (photo(33, 70, 3), asked("?", 2)),
    (photo(64, 64, 4), asked(SHORT, 3)),
]


CONVERSATIONS = [
    ([photo(80, 60, 0)], Query(b"", LONG, 1, conversation=talk((0, SHORT), "red", (LONG,)))),
    (
        [photo(80, 60, 0), photo(60, 80, 1)],
        Query(b"", "?", 1, earlier_images=(b"",), conversation=talk((0, SHORT), "red", ("and", 1, "?"))),
    ),
    ([photo(60, 80, 1)], Query(b"", SHORT, 1, conversation=talk((SHORT, 0)))),
    (
        [photo(80, 60, 0)],
        Query(b"", "?", 1, conversation=talk((0, SHORT), "red", (LONG,), "two", ("?",), system="be terse")),
    ),
    ([photo(33, 70, 3)], Query(b"", SHORT, 1)),
]
"""The pictures of a conversation and its query; some begin alike."""


def conversed(
    family: Family[Any, Any], talks: Sequence[tuple[Sequence[Image.Image], Query]]
) -> list[tuple[Answer, ...]]:
    features = [family.join(family.encode(pictures)) for pictures, _ in talks]
    queries = [query for _, query in talks]
    return family.decode(family.forward(features, queries), queries)


def answers(family: Family[Any, Any], pairs: Sequence[tuple[Image.Image, Query]]) -> list[tuple[Answer, ...]]:
    pictures, queries = [picture for picture, _ in pairs], [query for _, query in pairs]
    return family.decode(family.forward(family.encode(pictures), queries), queries)


def assert_same(found: Sequence[tuple[Answer, ...]], expected: Sequence[tuple[Answer, ...]]) -> None:
    assert [[answer.answer for answer in ranked] for ranked in found] == [
        [answer.answer for answer in ranked] for ranked in expected
    ]
    scores = [[answer.score for answer in ranked] for ranked in expected]
    for ranked, wanted in zip(found, scores, strict=True):
        assert [answer.score for answer in ranked] == pytest.approx(wanted, rel=1e-3, abs=1e-6)


def encoded(image: Image.Image, file_format: str = "PNG") -> bytes:
    buffer = BytesIO()
    image.save(buffer, file_format)
    return buffer.getvalue()


def assert_plausible(found: Sequence[tuple[Answer, ...]], top_k: int) -> None:
    for ranked in found:
        assert 1 <= len(ranked) <= top_k
        scores = [answer.score for answer in ranked]
        assert scores == sorted(scores, reverse=True)
        assert all(0 <= score <= 1 for score in scores)
