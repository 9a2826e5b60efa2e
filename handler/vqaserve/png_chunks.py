"""PNG chunks: a file without those that its pixels do not need."""

from __future__ import annotations

import struct
import zlib

SIGNATURE = b"\x89PNG\r\n\x1a\n"
PROFILE_LEFT_OUT = "the picture's colour profile is damaged or too large to read; its colours were taken for sRGB"
CODE_POINTS_LEFT_OUT = (
    "the picture's colour space (a cICP chunk, as of HDR pictures) was not applied; its colours were taken for sRGB"
)

_SRGB = bytes((1, 13, 0, 1))
"""A cICP chunk of sRGB: primaries, transfer function, matrix, full range (PNG, third edition, 11.3.2.6)."""

_LARGEST = 2**20
"""Bytes of a chunk, unpacked, that Pillow takes; it refuses a file for more."""

_ORIENTATION_TEXTS = (b"Raw profile type exif", b"Raw profile type APP1", b"XML:com.adobe.xmp")
_TEXTS = (b"tEXt", b"zTXt", b"iTXt")
_LENGTHS = {b"gAMA": 4, b"sRGB": 1}
_ONCE = (b"tRNS", b"iCCP", b"eXIf", b"acTL", b"fcTL", *_LENGTHS, *_TEXTS)
_HEAD = struct.Struct(">I4s")
_CHECKSUM_BYTES = 4


def without_metadata(data: bytes) -> tuple[bytes, tuple[str, ...]]:
    """Drop the chunks that do not change the pixels, such as texts, times and private chunks.

    Pillow unpacks every text and profile, and refuses a file for a large one or for a wrong checksum in one. Critical
    chunks stay as they are. Transparency, orientation, the colour profile, the gamma and the number of frames stay,
    once each, if they are not large and their checksum is right.

    Args:
        data: A PNG file; one that is cut off or damaged stays so.

    Returns:
        The file, and warnings for its sender.
    """
    kept: list[bytes | memoryview] = [SIGNATURE]
    warnings: tuple[str, ...] = ()
    dropped = False
    seen: set[bytes] = set()
    start = len(SIGNATURE)
    while start + _HEAD.size <= len(data):
        length, kind = _HEAD.unpack_from(data, start)
        end = start + _HEAD.size + length + _CHECKSUM_BYTES
        chunk = memoryview(data)[start:end]
        if _is_critical(kind) or (kind not in seen and _is_needed(kind, chunk)):
            kept.append(chunk)
            if kind in _ONCE:
                seen.add(kind)
        else:
            dropped = True
            if kind == b"iCCP" and kind not in seen:
                warnings = (*warnings, PROFILE_LEFT_OUT)
            elif kind == b"cICP" and bytes(chunk[_HEAD.size : -_CHECKSUM_BYTES]) != _SRGB:
                warnings = (*warnings, CODE_POINTS_LEFT_OUT)
        if kind == b"IDAT":
            seen.add(b"fcTL")  # the following ones are of later frames
        start = end
        if kind == b"IEND":
            break
    return (b"".join(kept) if dropped or start < len(data) else data), warnings


def _is_critical(kind: bytes) -> bool:
    return not kind[0] & 0x20


def _is_needed(kind: bytes, chunk: memoryview) -> bool:
    """Whether Pillow needs an ancillary chunk, and can read it."""
    if kind not in _ONCE or len(chunk) > _LARGEST:
        return False
    content = bytes(chunk[_HEAD.size : -_CHECKSUM_BYTES])
    if chunk[-_CHECKSUM_BYTES:] != struct.pack(">I", zlib.crc32(kind + content)):
        return False
    if kind in _LENGTHS:
        return len(content) == _LENGTHS[kind]
    if kind == b"iCCP":
        return _unpacks(content.partition(b"\0")[2][1:])
    if kind in _TEXTS:
        keyword, _, text = content.partition(b"\0")
        return keyword in _ORIENTATION_TEXTS and (kind == b"tEXt" or _text_unpacks(kind, text))
    return True


def _text_unpacks(kind: bytes, text: bytes) -> bool:
    if kind == b"zTXt":
        return _unpacks(text[1:])
    is_compressed = text[:1] == b"\1"
    return not is_compressed or _unpacks(text[2:].split(b"\0", 2)[-1])


def _unpacks(packed: bytes) -> bool:
    unpacking = zlib.decompressobj()
    try:
        unpacking.decompress(packed, _LARGEST)
    except zlib.error:
        return False
    return unpacking.eof
