"""Damaged copies of files."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator, Sequence
from io import BytesIO

from PIL import Image

_DIGITS = re.compile(rb"(?<![\w.])\d{1,12}(?![\w.])")


def _truncate(data: bytearray, other: bytes, generator: random.Random) -> bytearray:
    del other
    return data[: generator.randrange(len(data) + 1)]


def _flip_bits(data: bytearray, other: bytes, generator: random.Random) -> bytearray:
    del other
    for _ in range(generator.choice([1, 2, 8, 64])):
        data[generator.randrange(len(data))] ^= 1 << generator.randrange(8)
    return data


def _splice(data: bytearray, other: bytes, generator: random.Random) -> bytearray:
    here, there = generator.randrange(len(data)), generator.randrange(len(other))
    return data[:here] + other[there:]


def _falsify_header(data: bytearray, other: bytes, generator: random.Random) -> bytearray:
    """Put extreme numbers where sizes, counts and offsets are."""
    del other
    width = generator.choice([1, 2, 4])
    place = generator.randrange(min(len(data), 96))
    data[place : place + width] = generator.choice([b"\x00", b"\xff", b"\x7f", b"\x80"]) * width
    return data


def _repeat(data: bytearray, other: bytes, generator: random.Random) -> bytearray:
    del other
    start = generator.randrange(len(data))
    part = data[start : start + generator.randrange(1, 64)]
    return data[:start] + part * generator.choice([2, 100, 5000]) + data[start:]


def _falsify_number(data: bytearray, other: bytes, generator: random.Random) -> bytearray:
    """Put another number where one is written in digits, as PDFs have sizes, counts, offsets and references."""
    del other
    found = list(_DIGITS.finditer(data))
    if found:
        number = generator.choice(found)
        data[number.start() : number.end()] = generator.choice([b"0", b"-1", b"2", b"5", b"65536", b"99999999999"])
    return data


MUTATIONS: tuple[Callable[[bytearray, bytes, random.Random], bytearray], ...] = (
    _truncate,
    _flip_bits,
    _splice,
    _falsify_header,
    _repeat,
    _falsify_number,
)


def damaged_files(seed: int, originals: Sequence[bytes], whole: float) -> Iterator[bytes]:
    """Yield damaged files without end; the same for the same seed.

    Args:
        seed: Of the random numbers.
        originals: What is damaged.
        whole: Share of undamaged pictures among them, no two alike.
    """
    generator, number = random.Random(seed), 0
    while True:
        number += 1
        if generator.random() < whole:
            buffer = BytesIO()
            Image.new("RGB", (64 + number % 64, 64), (number % 256, number // 256 % 256, 0)).save(buffer, "PNG")
            yield buffer.getvalue()
            continue
        data = bytearray(generator.choice(originals))
        for _ in range(generator.choice([0, 1, 1, 1, 2, 3])):
            if data:
                data = generator.choice(MUTATIONS)(data, generator.choice(originals), generator)
        yield bytes(data)
