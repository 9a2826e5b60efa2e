"""Parses JSON (RFC 8259), and refuses what Python's parser accepts: repeated names and NaN."""

from __future__ import annotations

import json
import math
from collections import Counter
from typing import Any, NoReturn

from vqaserve.errors import BadRequest
from vqaserve.protocols.media_type import decode_text

MAX_VALUES = 100_000
"""Values in a text, and in all JSON fields of a form together, counted by the commas and brackets before them, also
those in strings. An empty list takes 3 bytes as text and 65 as an object: without a limit, parsing 24 MB takes 520 MB,
which Python's allocator returns only in part. The longest honest bodies, whole conversations, have some hundreds."""


def parse_json(content: bytes, charset: str = "", what: str = "the body") -> Any:
    """Parse JSON text.

    Args:
        content: The text in UTF-8, UTF-16 or UTF-32, with or without byte order mark, or in the charset.
        charset: The media type's charset; empty if it has none.
        what: How a message names the content.

    Raises:
        BadRequest: It is not JSON, an object has two values of one name, or there are over 100,000 values.
    """
    # The charsets UTF-16 and UTF-32 leave the byte order open; the first bytes give it.
    found = json.detect_encoding(content)
    text = decode_text(content, found.removesuffix("-sig") if found != "utf-8" else charset, what).removeprefix(
        "\ufeff"
    )
    if len(text) > MAX_VALUES and sum(map(text.count, ",[{")) > MAX_VALUES:
        raise BadRequest(
            f"{what} holds more than {MAX_VALUES:,} values; send a picture as a file (its base64 in JSON, or its "
            "bytes in a form), not as pixels, and ask for less in one request"
        )
    try:
        return json.loads(text, object_pairs_hook=_object, parse_constant=_refuse_constant, parse_float=_finite)
    except (ValueError, RecursionError) as error:  # not JSON, a number of thousands of digits, too deep
        raise BadRequest(f"{what} is not JSON: {error!s:.200}; send one JSON object in UTF-8") from None


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        ((name, _),) = Counter(name for name, _ in pairs).most_common(1)
        raise BadRequest(f"the name {name!r:.60} occurs more than once in one JSON object; send each name once")
    return made


def _finite(number: str) -> float:
    value = float(number)
    if math.isinf(value):
        raise ValueError(f"the number {number:.20} is too large")
    return value


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a JSON number")
