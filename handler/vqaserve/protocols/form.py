"""Forms: ``multipart/form-data`` (RFC 7578) and ``application/x-www-form-urlencoded``, as name -> value.

The standard library's ``email`` parses the headers of each part. The body is split here: ``email`` goes through a
picture line by line, which takes 0.4 s for 8 MB; a search for the boundary takes 2 ms.
"""

from __future__ import annotations

import base64
import binascii
import quopri
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from email.parser import HeaderParser
from functools import lru_cache

from vqaserve.errors import BadRequest
from vqaserve.protocols.json_text import MAX_VALUES, parse_json
from vqaserve.protocols.media_type import MediaType, decode_text, find_codec, read_parameter
from vqaserve.protocols.percent import unquote
from vqaserve.protocols.picture_text import without_space

MULTIPART, URL_ENCODED = "multipart/form-data", "application/x-www-form-urlencoded"

_MAX_PARTS = 100
_MAX_HEAD = 8192
_MAX_CANDIDATES = 10_000  # matches of the boundary's text; a picture has none
_AFTER_BOUNDARY = re.compile(rb"(--)?[ \t]*(?:\r?\n|\Z)")
_PICTURES = ("image", "data", "image_url")
"""Fields whose value is a picture; no other text has its blanks replaced."""
_BASE64 = re.compile(r"(?:data:[^,]{0,200},)?[A-Za-z0-9+/\r\n]{24,}={0,2}\s*", re.IGNORECASE)
_JSON_START = re.compile(rb"[\xef\xbb\xbf\xff\xfe\0\s]*[\[{]")
"""How a JSON object or list begins in any charset; no picture file begins so."""
_CHARSET_FIELD = "_charset_"  # RFC 7578, 4.6: the charset of the form's text


@dataclass(frozen=True, slots=True)
class _Head:
    """What the headers of a part say.

    Attributes:
        name: The field's name.
        type: The media type of the value.
        encoding: ``Content-Transfer-Encoding`` in small letters.
        is_file: Whether a file name was given.
    """

    name: str
    type: MediaType
    encoding: str
    is_file: bool


def read_multipart(body: bytes, media_type: MediaType) -> dict[str, object]:
    """The fields of a multipart form: bytes, or text where a part declares its charset, or decoded JSON.

    Raises:
        BadRequest: The boundary is missing or does not occur, the form is cut off, a part has no name, two parts have
            the same name, or the JSON parts hold over 100,000 values together.
    """
    boundary = media_type.boundary
    if not boundary:
        raise BadRequest(
            "the Content-Type multipart/form-data has no boundary; let the client library write this header, or "
            f"send multipart/form-data; boundary={guess_boundary(body) or '...'}"
        )
    fields: dict[str, object] = {}
    charset, values = "", 0
    for start, end in _parts(body, boundary.encode()):
        head, content = _split_head(body, start, end)
        content = _decode_transfer(head, content)
        if head.type.is_json and _JSON_START.match(content):
            values += sum(map(content.count, (b",", b"[", b"{")))
        if values > MAX_VALUES:
            raise BadRequest(f"the form's JSON fields hold more than {MAX_VALUES:,} values; ask for less at once")
        if head.name == _CHARSET_FIELD:
            charset = content.decode("latin-1").strip()
        else:
            _add(fields, head.name, _value(head, content))
    if charset:
        fields = {
            name: decode_text(value, charset, f"field {name!r:.80}")
            if isinstance(value, bytes) and _may_be_text(value)
            else value
            for name, value in fields.items()
        }
    return fields


def read_url_encoded(body: bytes, media_type: MediaType) -> dict[str, object]:
    """The fields of a form as HTML's forms and ``curl -d`` send it.

    Raises:
        BadRequest: It is not text of its charset, it has too many fields, or two have the same name.
    """
    codec = find_codec(media_type.charset, "the form")
    pairs = body.split(b"&", _MAX_PARTS)
    if len(pairs) > _MAX_PARTS:
        raise BadRequest(f"the form has more than {_MAX_PARTS} fields; send fewer")
    fields: dict[str, object] = {}
    for pair in filter(None, pairs):
        try:
            name, value = (unquote(part.replace(b"+", b" ")).decode(codec) for part in pair.partition(b"=")[::2])
        except UnicodeDecodeError as error:
            raise BadRequest(f"the form cannot be read: {error!s:.200}; send it in UTF-8, percent-encoded") from None
        _add(fields, name, _with_plus(value) if name in _PICTURES else value)
    return fields


def _with_plus(value: str) -> str:
    """Base64 whose ``+`` was not percent-encoded, which a url-encoded form reads as blanks."""
    plus = value.replace(" ", "+")
    return plus if " " in value and _BASE64.fullmatch(plus) else value


def guess_boundary(body: bytes) -> str:
    """The boundary of what looks like a multipart form; empty where it does not."""
    found = re.match(rb"\s*--([!-~]{1,70})[ \t]*\r?\n(?i:content-)", body[:300])
    return found[1].decode() if found else ""


def refuse_repeated(names: Iterable[str]) -> None:
    """Refuse fields that occur more than once, since only one of their values could be used.

    Raises:
        BadRequest: There are some.
    """
    if listed := ", ".join(repr(name[:40]) for name in list(names)[:5]):
        raise BadRequest(
            f"the request has more than one value for the field {listed}; send each field once (one picture in a "
            'request; several questions as the field \'questions\': ["...", "..."])'
        )


def _add(fields: dict[str, object], name: str, value: object) -> None:
    if name in fields:
        refuse_repeated([name])
    fields[name] = value


def _parts(body: bytes, boundary: bytes) -> Iterator[tuple[int, int]]:
    """Where each part starts and ends; text before the first and after the last boundary has no meaning (RFC 2046).

    Raises:
        BadRequest: There is no boundary, or none at the end.
    """
    start, count = None, 0
    for at, after, is_last in _boundaries(body, b"--" + boundary):
        if start is not None:
            count += 1
            if count > _MAX_PARTS:
                raise BadRequest(f"the form has more than {_MAX_PARTS} fields; send fewer")
            end = at - (2 if body[at - 2 : at] == b"\r\n" else 1)  # the line's end belongs to the boundary
            yield start, max(start, end)
        start = after
        if is_last:
            return
    if start is None:
        raise BadRequest(
            f"the form does not contain the boundary {boundary.decode(errors='replace')!r:.80} of its Content-Type; "
            "send the boundary that the body has"
        )
    raise BadRequest("the form is cut off: the boundary at its end is missing; send it whole")


def _boundaries(body: bytes, line: bytes) -> Iterator[tuple[int, int, bool]]:
    """Where a boundary's line starts and ends, and whether it is the last one."""
    at = 0 if body.startswith(line) else _next(body, line, 0)
    for _ in range(_MAX_CANDIDATES):
        if at < 0:
            return
        if found := _AFTER_BOUNDARY.match(body, at + len(line)):
            yield at, found.end(), bool(found[1])
        at = _next(body, line, at)
    raise BadRequest("the form's boundary occurs too often; send a boundary that the fields do not contain")


def _next(body: bytes, line: bytes, start: int) -> int:
    found = body.find(b"\n" + line, start)
    return found + 1 if found >= 0 else -1


def _split_head(body: bytes, start: int, end: int) -> tuple[_Head, bytes]:
    """A part's headers and its content, which an empty line separates."""
    last = min(end, start + _MAX_HEAD)
    head_end, gap = body.find(b"\r\n\r\n", start, last), 4
    if (line_feeds := body.find(b"\n\n", start, last if head_end < 0 else head_end)) >= 0:
        head_end, gap = line_feeds, 2
    if head_end < 0:
        raise BadRequest(f"a part of the form has no headers, or more than {_MAX_HEAD:,} bytes of them; name each part")
    return _read_head(body[start:head_end]), body[head_end + gap : end]


@lru_cache(maxsize=256)
def _read_head(raw: bytes) -> _Head:
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        text = raw.decode("latin-1")
    headers = HeaderParser().parsestr(text.lstrip("\r\n"))
    name = read_parameter(headers, "name", "content-disposition")
    if not name:
        raise BadRequest('a part of the form has no name; send Content-Disposition: form-data; name="..."')
    kind = MediaType.parse(headers.get("content-type", ""))
    if kind.name.startswith("multipart/"):
        raise BadRequest(f"a part of the form is {kind.name:.60} itself; send each file as a part of its own")
    encoding = headers.get("content-transfer-encoding", "").strip().lower()
    is_file = headers.get_param("filename", header="content-disposition") is not None
    return _Head(name, kind, encoding, is_file)


def _value(head: _Head, content: bytes) -> object:
    if head.type.is_json:
        try:
            return parse_json(content, head.type.charset, f"field {head.name!r:.80}")
        except BadRequest:  # a picture may be declared as anything
            return content
    if head.type.charset and not head.is_file:
        return decode_text(content, head.type.charset, f"field {head.name!r:.80}")
    return content


def _decode_transfer(head: _Head, content: bytes) -> bytes:
    """A part's content without its transfer encoding, which RFC 7578 deprecates and some mail libraries still write."""
    if head.encoding in ("", "binary", "8bit", "7bit"):
        return content
    if head.encoding == "quoted-printable":
        return quopri.decodestring(content)
    if head.encoding == "base64":
        try:
            return base64.b64decode(without_space(content), validate=True)
        except binascii.Error:
            raise BadRequest(f"field {head.name!r:.80} is not base64, as its Content-Transfer-Encoding says") from None
    raise BadRequest(
        f"field {head.name!r:.80} has Content-Transfer-Encoding {head.encoding!r:.40}; send it without this header"
    )


def _may_be_text(value: bytes) -> bool:
    """Whether a value can be text of the form's charset: the start of a picture file has control characters."""
    return not re.search(rb"[\0-\x08\x0e-\x1f]", value[:512])
