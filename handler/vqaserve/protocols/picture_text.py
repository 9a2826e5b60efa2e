"""A picture given as text: base64 (RFC 4648), a ``data:`` URI (RFC 2397) or a URL to be fetched."""

from __future__ import annotations

import base64
import binascii
import codecs
import re
import unicodedata

from vqaserve.errors import InvalidImage
from vqaserve.mistaken_pictures import name_mistake
from vqaserve.protocols.percent import unquote
from vqaserve.types import RemoteImage

_LONGEST_HEAD = 1024
_LONGEST_WORD = 16
_LOOKS_LIKE_TEXT = re.compile(rb"\s*(?:data:|https?://|[A-Za-z0-9+/_\-\r\n]{24})", re.IGNORECASE)
_BASE64 = re.compile(rb"[A-Za-z0-9+/_\-\s]{24,}+={0,2}+\s*+")  # possessive: linear in time
_NEVER_FIRST = frozenset((*range(0x80, 0xC2), *range(0xF5, 0x100)))
"""Bytes that no character of UTF-8 begins with, as JPEG and PNG files do: most pictures need no closer look."""
_UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_NOT_BASE64 = "the picture is not base64 ({}); send the base64 of the file, or a data URI: data:image/jpeg;base64,..."


def read_picture(value: str | bytes) -> bytes | RemoteImage:
    """The picture file that a text stands for, or its address.

    Both alphabets of base64 are read, with or without padding, percent-encoded or not. White space and invisible
    characters may be anywhere, because programs that copy a text add them.

    Raises:
        InvalidImage: The text is none of the three.
    """
    text = _visible(value)
    try:
        data = base64.b64decode(text, validate=True)  # what most clients send
    except binascii.Error:
        pass
    else:
        _refuse_word(text)
        return data
    text = text.strip()
    if text[:5].lower() == b"data:":
        return _read_data_uri(text)
    if b"://" in text[:_LONGEST_HEAD] and text[:5].lower() != b"blob:" and text[:1] not in b"<{[":
        return RemoteImage(text.decode() if isinstance(value, bytes) else value.strip())
    return _decode_base64(text)


def read_file(value: bytes) -> bytes | RemoteImage:
    """A form's file or a raw body: a picture file, or the text of one (``base64 photo.jpg > photo.txt``).

    Raises:
        InvalidImage: It looks like text and is none of the three.
    """
    return read_picture(_as_utf8(value)) if looks_like_picture(value) else value


def looks_like_picture(value: bytes | bytearray) -> bool:
    """Whether bytes are the text of a picture: base64, a data URI or a URL."""
    if value.startswith(_UTF16):  # as Windows PowerShell writes a text file
        return len(value) % 2 == 0 and looks_like_picture(_as_utf8(bytes(value)))
    if value and value[0] in _NEVER_FIRST:
        return False
    if not _LOOKS_LIKE_TEXT.match(_visible(bytes(value[:_LONGEST_HEAD]))):
        return False
    return value.isascii() or _visible(bytes(value)).isascii()


def _as_utf8(value: bytes) -> bytes:
    return value.decode("utf-16", "replace").encode() if value.startswith(_UTF16) else value


def _visible(value: str | bytes) -> bytes:
    """A text as UTF-8 without white space and format characters (Unicode's ``Cf``) outside ASCII."""
    if value.isascii():
        return value.encode() if isinstance(value, str) else value
    text = value if isinstance(value, str) else value.decode("utf-8", "replace")
    unseen = [letter for letter in set(text) if not letter.isascii() and _is_unseen(letter)]
    if unseen:
        text = re.sub(f"[{re.escape(''.join(unseen))}]", "", text)
    return text.encode("utf-8", "replace")


def _is_unseen(letter: str) -> bool:
    return letter.isspace() or unicodedata.category(letter) == "Cf"


def _read_data_uri(uri: bytes) -> bytes:
    """The data of a URI: ``data:[<media type>][;<parameter>]*[;base64],<data>``, in any letter case.

    A URI without ``;base64`` whose data is nothing but base64 lacks the word: no picture file is text of such letters.
    """
    head, comma, data = uri.partition(b",")
    if not comma or len(head) > _LONGEST_HEAD:
        raise InvalidImage("the picture's data URI has no comma before its data; send data:image/jpeg;base64,...")
    if b"%" in data:
        data = unquote(data)
    is_base64 = unquote(head).rpartition(b";")[2].strip().lower() == b"base64"
    return _decode_base64(data) if is_base64 or _BASE64.fullmatch(data) else data


def _refuse_word(text: bytes) -> None:
    """Refuse a word that is base64 by chance, such as ``null``."""
    if len(text) <= _LONGEST_WORD and (mistake := name_mistake(text.decode())):
        raise InvalidImage(f"the picture is {mistake}")


def without_space(text: bytes) -> bytes:
    """A text without its white space; ``split`` would make an object of each word, 400 MB for 24 MB."""
    return text.translate(None, b" \t\n\r\v\f")


def _decode_base64(text: bytes) -> bytes:
    letters = without_space(text)
    if b"%" in letters:
        letters = unquote(letters)
    letters = letters.replace(b"-", b"+").replace(b"_", b"/")
    if b"=" not in letters:
        letters += b"=" * (-len(letters) % 4)
    try:
        return base64.b64decode(letters, validate=True)
    except binascii.Error as error:
        if mistake := name_mistake(text.decode("utf-8", "replace")):
            raise InvalidImage(f"the picture is not base64 but {mistake}") from None
        if strange := re.search(rb"[^A-Za-z0-9+/=]", letters):
            sign = letters[strange.start() :][:4].decode("utf-8", "replace")[0]
            fault = f"it holds {sign!r}, which is no letter of base64"
        elif len(letters.rstrip(b"=")) % 4 == 1:
            fault = "it is cut off, or its '+' became blanks in a URL"
        else:
            fault = str(error)
        raise InvalidImage(_NOT_BASE64.format(fault)) from None
