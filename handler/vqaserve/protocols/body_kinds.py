"""Names what a body is that is not what its ``Content-Type`` says."""

from __future__ import annotations

import json
import re

from vqaserve.errors import BadRequest
from vqaserve.mistaken_pictures import name_mistake
from vqaserve.picture_formats import name_format, name_picture
from vqaserve.protocols.form import URL_ENCODED, guess_boundary
from vqaserve.protocols.picture_text import looks_like_picture

_START = 512
_FIELD = re.compile(rb"[A-Za-z_][\w.%\[\]\-]{0,80}=")
_WORDS = (b"null", b"true", b"false")  # JSON texts
_CONTROL = re.compile(rb"[\0-\x08\x0e-\x1f]")


def starts_as_json(content: bytes) -> bool:
    """Whether a body begins as a JSON object or list, in UTF-8, -16 or -32 (RFC 4627, 3: the pattern of zeros)."""
    start = content[:_START]
    text = start.decode(json.detect_encoding(start), "ignore")
    return text.lstrip("\ufeff \t\r\n\f\v").startswith(("{", "["))


def refuse_other_than_json(content: bytes, declared: str) -> None:
    """Refuse a body that is declared as JSON and begins as something else that is known.

    Args:
        content: The body.
        declared: The media type of its ``Content-Type``.

    Raises:
        BadRequest: It is a form, a picture, a picture's text or a file.
    """
    if starts_as_json(content):
        return
    but = f", but its Content-Type is {declared!r:.60}; "
    if boundary := guess_boundary(content):
        raise BadRequest(f"the body is a form{but}send multipart/form-data; boundary={boundary}")
    if picture := name_picture(content):
        raise BadRequest(f"the body is a {picture} file{but}send image/{picture.lower()}, or its base64 in JSON")
    if name := name_format(content):
        raise BadRequest(f"the body is {name}{but}send one JSON object")
    if looks_like_picture(content):
        raise BadRequest(f'the body is a picture\'s text{but}send one JSON object: {{"image": "..."}}')
    if _FIELD.match(content):
        raise BadRequest(f"the body is a URL-encoded form{but}send {URL_ENCODED}")
    if content.strip() not in _WORDS and (mistake := name_mistake(content[:_START].decode("utf-8", "replace"))):
        raise BadRequest(f"the body is {mistake}")
    if _CONTROL.search(content[:_START]) and not _is_wide(content):
        raise BadRequest(
            f"the body is binary data of an unknown kind{but}if it is compressed, send gzip and the header "
            "Content-Encoding: gzip"
        )


def _is_wide(content: bytes) -> bool:
    return json.detect_encoding(content[:_START]) not in ("utf-8", "utf-8-sig")
