"""Texts of nothing but small parts, which must not become an object for each."""

from __future__ import annotations

import base64
import random
import tracemalloc
from collections.abc import Callable
from urllib.parse import unquote_to_bytes

import pytest

from vqaserve.protocols.base import split_labels
from vqaserve.protocols.form import read_url_encoded
from vqaserve.protocols.media_type import MediaType
from vqaserve.protocols.percent import unquote
from vqaserve.protocols.picture_text import read_picture

URL_ENCODED = MediaType("application/x-www-form-urlencoded")


@pytest.mark.parametrize("letters", [b"%41", b"%%4", b"ab%", b"%zz%4\xff"])
def test_a_long_text_is_decoded_as_pythons_function_decodes_it(letters: bytes):
    drawn = random.Random(0)
    for _ in range(20):
        text = bytes(drawn.choices(letters, k=drawn.randint(130_000, 140_000)))
        assert unquote(text) == unquote_to_bytes(text)


@pytest.mark.parametrize(
    "read",
    [
        lambda: read_url_encoded(b"question=" + b"%41" * 1_000_000, URL_ENCODED),
        lambda: read_picture("data:image/png;base64," + "%41" * 1_000_000),
        lambda: read_picture(" ".join(["QUJD"] * 600_000)),
        lambda: split_labels("ab," * 1_000_000),
    ],
    ids=["form", "data URI", "base64 with blanks", "labels"],
)
def test_three_megabytes_of_small_parts_take_little_more_memory(read: Callable[[], object]):
    tracemalloc.start()
    try:
        read()
        assert tracemalloc.get_traced_memory()[1] < 25_000_000
    finally:
        tracemalloc.stop()


def test_base64_with_blanks_is_read():
    assert read_picture(" ".join(["QUJD"] * 3)) == base64.b64decode("QUJD" * 3)
