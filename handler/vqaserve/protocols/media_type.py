"""``Content-Type`` by its grammar (RFC 9110, 8.3): letter case, quotes, blanks and the order of parameters are free."""

from __future__ import annotations

import codecs
from collections.abc import Mapping
from dataclasses import dataclass
from email.message import Message
from email.utils import collapse_rfc2231_value
from functools import lru_cache

from vqaserve.errors import BadRequest

_LONGEST = 500

# fmt: off
_CHARSETS = frozenset((
    "ascii", "utf-8", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le", "utf-32-be",
    "iso8859-1", "iso8859-2", "iso8859-5", "iso8859-7", "iso8859-9", "iso8859-15",
    "cp1250", "cp1251", "cp1252", "cp1253", "cp1254", "koi8-r", "koi8-u",
    "gb2312", "gbk", "gb18030", "big5", "shift_jis", "cp932", "euc_jp", "euc_kr",
))
# fmt: on
"""Python's names of the supported charsets. Python's other codecs are not charsets, or cost a lot of time."""


@dataclass(frozen=True, slots=True)
class MediaType:
    """A media type with the two parameters that are used here.

    Attributes:
        name: ``type/subtype`` in lower case; empty without a header.
        boundary: A form's boundary; None or empty if it is missing.
        charset: As the client wrote it; empty if it is missing.
    """

    name: str
    boundary: str | None = None
    charset: str = ""

    @classmethod
    def of(cls, headers: Mapping[str, str]) -> MediaType:
        """The media type of a request."""
        return cls.parse(headers.get("content-type", ""))

    @classmethod
    def parse(cls, header: str) -> MediaType:
        """The media type that a ``Content-Type`` header gives."""
        return _parse(header[:_LONGEST])

    @property
    def is_json(self) -> bool:
        """Whether it is JSON, or one of the types that are written in JSON (RFC 6839)."""
        return self.name.endswith(("/json", "+json"))


@lru_cache(maxsize=256)
def _parse(header: str) -> MediaType:
    if not header.strip():
        return MediaType("")
    message = Message()
    message["content-type"] = header
    parameters = {
        name: value.strip()
        for name in ("boundary", "charset")
        if (value := read_parameter(message, name, "content-type")) is not None
    }
    name = header.partition(";")[0].strip().lower()
    return MediaType(name, parameters.get("boundary"), parameters.get("charset", ""))


def read_parameter(message: Message, name: str, header: str) -> str | None:
    """A parameter of a header, also as RFC 2231 encodes it (``name*=utf-8''...``); None if it is missing.

    Raises:
        BadRequest: It cannot be decoded.
    """
    try:
        value = message.get_param(name, header=header)
        return None if value is None else collapse_rfc2231_value(value)
    except ValueError:  # a codec of Python's that is no charset, or a number of thousands of digits
        raise BadRequest(f'the parameter {name!r} of {header} cannot be decoded; send it as {name}="..."') from None


def is_charset(name: str) -> bool:
    """Whether a name is that of a supported charset."""
    return _codec(name) in _CHARSETS


def find_codec(charset: str, what: str) -> str:
    """Python's name of a charset.

    Args:
        charset: What the client calls it; empty means UTF-8.
        what: How a message names the text, such as ``field 'question'``.

    Raises:
        BadRequest: The charset is not read here.
    """
    codec = _codec(charset or "utf-8")
    if codec not in _CHARSETS:
        raise BadRequest(f"{what} has charset {charset!r:.40}, which is not supported; send UTF-8")
    return codec


def _codec(charset: str) -> str:
    """Python's name of a charset; empty if Python does not know it."""
    try:
        return codecs.lookup(charset).name
    except (LookupError, ValueError):
        return ""


def decode_text(content: bytes, charset: str, what: str) -> str:
    """Bytes as text, without a byte order mark.

    Args:
        content: The bytes.
        charset: What the client calls their charset; empty means UTF-8.
        what: How a message names the text.

    Raises:
        BadRequest: The charset is not read here, or the bytes are not of it.
    """
    codec = find_codec(charset, what)
    try:
        return content.decode("utf-8-sig" if codec == "utf-8" else codec)
    except UnicodeDecodeError:
        raise BadRequest(f"{what} is not {codec.upper()} text; send UTF-8, or name its charset") from None
