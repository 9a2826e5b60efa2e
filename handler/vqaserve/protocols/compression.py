"""Unpacks compressed bodies (RFC 9110, 8.4) within limits; codings other than gzip and deflate are refused."""

from __future__ import annotations

import zlib

from vqaserve.errors import BadRequest, ContentTooLarge, UnsupportedMediaType
from vqaserve.protocols.media_type import is_charset

MAX_BYTES = 26_000_000
"""Maximum size of an unpacked body: what TorchServe accepts uncompressed (``max_request_size``)."""

MAX_RATIO = 200
"""Maximum ratio of unpacked to packed size. JSON text reaches 20; base64 and picture files hardly compress."""

_FREE_BYTES = 1024 * 1024
"""A body up to this size may have any ratio, since it costs little."""

_COMPRESSIONS = frozenset(
    ("aes128gcm", "br", "compress", "dcb", "dcz", "exi", "pack200-gzip", "x-compress", "zstd", "bzip2", "xz", "lzma")
)
"""Content codings of IANA's registry that are not supported, and three that clients write."""

_TRANSFERS = frozenset(("7bit", "8bit", "binary", "base64", "quoted-printable", "chunked"))

_CONTAINERS = (
    (b"\x1f\x8b\x08", "gzip data"),
    (b"\x28\xb5\x2f\xfd", "zstd data"),
    (b"\xfd7zXZ\0", "xz data"),
    (b"BZh", "bzip2 data"),
    (b"\x04\x22\x4d\x18", "lz4 data"),
)
"""Beginnings that no JSON, form or picture has."""

_MAX_CODINGS = 2
_MAX_MEMBERS = 16  # of a gzip file; each one copies the rest of the body

_GZIP, _ZLIB, _RAW = 31, 15, -15  # zlib's wbits of the three containers of deflate
_DAMAGED = "the body is not {} data, as Content-Encoding says, or it is damaged; send what the header says"


def unpack(body: bytes, header: str) -> bytes:
    """A body without its content codings.

    Args:
        body: As it was received.
        header: ``Content-Encoding``: the codings in the order in which they were applied.

    Raises:
        UnsupportedMediaType: A coding is not supported.
        ContentTooLarge: The unpacked body is over a limit.
        BadRequest: The body is damaged, or not of the coding.
    """
    codings = codings_of(header)
    if len(codings) > _MAX_CODINGS:
        raise UnsupportedMediaType(
            f"the body has {len(codings)} content codings; at most {_MAX_CODINGS} are allowed: compress it once"
        )
    for coding in reversed(codings):
        if coding in ("gzip", "x-gzip"):
            body = _inflate(body, _GZIP, "gzip")
        elif coding == "deflate":
            # By RFC 9110 deflate data has zlib's container; many clients leave it out.
            body = _inflate(body, _ZLIB if _is_zlib(body) else _RAW, "deflate")
        else:
            raise UnsupportedMediaType(_unsupported(coding))
    return body


def codings_of(header: str) -> list[str]:
    """The codings that ``Content-Encoding`` names, without those that change nothing."""
    codings = (part.partition(";")[0].strip().lower() for part in header.split(","))
    return [coding for coding in codings if coding not in ("", "identity")]


def refuse_unannounced(body: bytes) -> None:
    """Refuse compressed data without ``Content-Encoding``; neither JSON nor any picture file starts like it.

    Raises:
        BadRequest: The body is compressed.
    """
    kind = next((kind for magic, kind in _CONTAINERS if body.startswith(magic)), "zlib data" if _unzips(body) else "")
    if not kind:
        return
    coding = {"gzip data": "gzip", "zlib data": "deflate"}.get(kind)
    do = f"send the header Content-Encoding: {coding}" if coding else "compress it with gzip, or not at all"
    raise BadRequest(f"the body is {kind}, but there is no Content-Encoding; {do}")


def _is_zlib(body: bytes) -> bool:
    """Whether a body starts with zlib's header (RFC 1950): method 8, and a checksum of the two bytes."""
    return len(body) >= 2 and body[0] & 15 == 8 and int.from_bytes(body[:2]) % 31 == 0


def _unsupported(coding: str) -> str:
    """Why a coding is refused: it is not supported, or it is none by RFC 9110."""
    if coding in _COMPRESSIONS:
        return f"the body is compressed with Content-Encoding {coding!r:.40}; send gzip, deflate or no compression"
    came = f"Content-Encoding {coding!r:.40}"
    if is_charset(coding):
        return f"{came} is a charset; leave it out, and send Content-Type: application/json; charset={coding:.40}"
    if coding in _TRANSFERS:
        return f"{came} is a transfer encoding, not a content coding; leave it out"
    return f"{came} is not a content coding; send gzip, deflate or leave it out"


def _unzips(body: bytes) -> bool:
    """Whether a body is zlib data, by its header and its first bytes."""
    if body[:1] != b"x" or not _is_zlib(body):
        return False
    try:
        return bool(zlib.decompressobj().decompress(body[:512], 1))
    except zlib.error:
        return False


def _inflate(packed: bytes, container: int, coding: str) -> bytes:
    most = min(MAX_BYTES, max(_FREE_BYTES, MAX_RATIO * len(packed)))
    unpacked, rest = bytearray(), packed
    for _ in range(_MAX_MEMBERS):
        unpacker = zlib.decompressobj(container)
        try:
            unpacked += unpacker.decompress(rest, most + 1 - len(unpacked))
        except zlib.error:
            raise BadRequest(_DAMAGED.format(coding)) from None
        if len(unpacked) > most:
            raise ContentTooLarge(
                f"the {coding} body of {len(packed):,} bytes unpacks to more than {most:,} bytes; "
                f"at most {MAX_BYTES:,} bytes and {MAX_RATIO} times its size are allowed: send a smaller body"
            )
        if not unpacker.eof:
            raise BadRequest(_DAMAGED.format(coding))
        rest = unpacker.unused_data.lstrip(b"\0") if coding == "gzip" else unpacker.unused_data
        if not rest:
            return bytes(unpacked)
    raise BadRequest(_DAMAGED.format(coding))
