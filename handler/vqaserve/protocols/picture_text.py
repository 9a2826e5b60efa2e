"""A picture given as text: base64 (RFC 4648), a ``data:`` URI (RFC 2397) or a URL to be fetched."""

from __future__ import annotations

import base64
import binascii
import re
from urllib.parse import unquote_to_bytes

from vqaserve.errors import InvalidImage
from vqaserve.types import RemoteImage

_LONGEST_HEAD = 1024
_LONGEST_WORD = 300
_BLANKS = re.compile("[\\s\u00ad\u200b-\u200d\u2060\ufeff]+")
"""White space, and characters without width that editors and web pages add to copied text."""
_ENCODINGS = ((b"\xef\xbb\xbf", "utf-8-sig"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"))
"""Byte order marks of a text file; PowerShell writes UTF-16."""
_BASE64 = re.compile(rb"[A-Za-z0-9+/_\-\s]{24,}={0,2}\s*")
_FILE_NAME = re.compile(r"[^\n]*\.(jpe?g|jfif|png|gif|webp|bmp|tiff?|heic|heif|avif|svg|pdf)", re.IGNORECASE)
_EMPTY_VALUES = frozenset({"undefined", "null", "none", "nan", "[object object]", "[object file]", "[object blob]"})
"""What scripts write, in lower case, where they have no file."""
_LOOKS_LIKE_TEXT = re.compile(rb"\s*(?:data:|https?://|[A-Za-z0-9+/_\-\r\n]{24})", re.IGNORECASE)
_NOT_BASE64 = "the picture is not base64 ({}); send the base64 of the file, or a data URI: data:image/jpeg;base64,..."


def read_picture(value: str | bytes) -> bytes | RemoteImage:
    """The picture file that a text stands for, or its address.

    Both alphabets of base64 are read, with or without padding, and white space anywhere.

    Raises:
        InvalidImage: The text is none of the three.
    """
    if isinstance(value, str) and not value.isascii():
        value = _BLANKS.sub("", value)
    text = value.encode("ascii", "replace") if isinstance(value, str) else value
    refuse_words(text)  # first, because some are base64 by chance
    try:
        return base64.b64decode(text, validate=True)  # what most clients send
    except binascii.Error:
        pass
    text = text.strip()
    if text[:5].lower() == b"data:":
        return _read_data_uri(text)
    if b"://" in text[:_LONGEST_HEAD]:
        return RemoteImage(text.decode() if isinstance(value, bytes) else value.strip())
    return _decode_base64(text)


def read_file(value: bytes) -> bytes | RemoteImage:
    """A form's file or a raw body: a picture file, or the text of one (``base64 photo.jpg > photo.txt``).

    Raises:
        InvalidImage: It looks like text and is none of the three.
    """
    for mark, codec in _ENCODINGS:
        if value.startswith(mark):
            text = value.decode(codec, "replace")
            return read_picture(text) if looks_like_picture(_BLANKS.sub("", text).encode()) else value
    if looks_like_picture(value):
        return read_picture(value)
    refuse_words(value)
    return value


def refuse_words(value: bytes) -> None:
    """Refuse a short text in place of a picture: the name of a file, or what a script writes where it has none.

    Raises:
        InvalidImage: It is one; the message says how to send the file.
    """
    try:
        text = value[: _LONGEST_WORD + 1].decode().strip()
    except UnicodeDecodeError:
        return
    if not text or len(text) > _LONGEST_WORD or not text.isprintable():
        return
    if text.lower() in _EMPTY_VALUES:
        raise InvalidImage(f"the picture is the text {text!r}, which scripts send without a file; send the file itself")
    if _FILE_NAME.fullmatch(text) and "://" not in text:
        raise InvalidImage(
            f"the picture is the file name {text!r:.100}; send the file itself: curl -F image=@{text[:60]}, or its "
            "base64 in JSON"
        )


def looks_like_picture(value: bytes | bytearray) -> bool:
    """Whether bytes are the text of a picture: base64, a data URI or a URL."""
    return bool(_LOOKS_LIKE_TEXT.match(value)) and value.isascii()


def _read_data_uri(uri: bytes) -> bytes:
    """The data of a URI: ``data:[<media type>][;<parameter>]*[;base64],<data>``, in any letter case."""
    head, comma, data = uri.partition(b",")
    if not comma or len(head) > _LONGEST_HEAD:
        raise InvalidImage("the picture's data URI has no comma before its data; send data:image/jpeg;base64,...")
    if b"%" in data:
        data = unquote_to_bytes(data)
    is_base64 = unquote_to_bytes(head).rpartition(b";")[2].strip().lower() == b"base64"
    return _decode_base64(data) if is_base64 or _BASE64.fullmatch(data) else data


def _decode_base64(text: bytes) -> bytes:
    letters = b"".join(text.split()).replace(b"-", b"+").replace(b"_", b"/")
    if b"=" not in letters:
        letters += b"=" * (-len(letters) % 4)
    try:
        return base64.b64decode(letters, validate=True)
    except binascii.Error as error:
        if len(letters.rstrip(b"=")) % 4 == 1:
            raise InvalidImage(_NOT_BASE64.format("it is cut off, or its '+' became blanks in a URL")) from None
        raise InvalidImage(_NOT_BASE64.format(error)) from None
