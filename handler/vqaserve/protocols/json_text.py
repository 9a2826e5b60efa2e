"""Parses JSON (RFC 8259), and refuses what Python's parser accepts: repeated names and NaN."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any, NoReturn

from vqaserve.errors import BadRequest
from vqaserve.protocols.media_type import decode_text


def parse_json(content: bytes, charset: str = "", what: str = "the body") -> Any:
    """Parse JSON text.

    Args:
        content: The text in UTF-8, UTF-16 or UTF-32, with or without byte order mark, or in the charset.
        charset: The media type's charset; empty if it has none.
        what: How a message names the content.

    Raises:
        BadRequest: It is not JSON, or an object has two values of one name.
    """
    # The charsets UTF-16 and UTF-32 leave the byte order open; the first bytes give it.
    found = json.detect_encoding(content)
    text = decode_text(content, found.removesuffix("-sig") if found != "utf-8" else charset, what).removeprefix(
        "\ufeff"
    )
    try:
        return json.loads(text, object_pairs_hook=_object, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:  # not JSON, a number of thousands of digits, too deep
        raise BadRequest(f"{what} is not JSON: {error!s:.200}; send one JSON object in UTF-8") from None


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        ((name, _),) = Counter(name for name, _ in pairs).most_common(1)
        raise BadRequest(f"the name {name!r:.60} occurs more than once in one JSON object; send each name once")
    return made


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a JSON number")
