"""Picture files that are small to send and expensive to decode."""

from __future__ import annotations

import struct
import zlib

from PIL import Image

from tests.support.pictures import saved


def png_chunk(name: bytes, content: bytes) -> bytes:
    """One chunk with its length and checksum."""
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


def jpeg_of_scans(scans: int, side: int = 2000) -> bytes:
    """A progressive JPEG with many scans over the whole picture, each of a few bytes and without effect."""
    whole = saved(Image.new("L", (side, side), 100), "JPEG", progressive=True)
    blocks = ((side + 7) // 8) ** 2
    # One Huffman code, "0": a run of 16,384 empty blocks, plus the number in the next 14 bits.
    table = b"\xff\xc4" + struct.pack(">HB", 20, 0x10) + bytes([1, *[0] * 15, 0xE0])
    runs, rest = divmod(blocks, 32767)
    bits = ("0" + "1" * 14) * runs + ("0" + "0" * 14 if rest else "")
    packed = int(bits.ljust(-(-len(bits) // 8) * 8, "1"), 2).to_bytes(-(-len(bits) // 8)).replace(b"\xff", b"\xff\x00")
    component = whole[whole.index(b"\xff\xc2") + 10]
    scan = b"\xff\xda" + struct.pack(">HBBBBBB", 8, 1, component, 0, 1, 63, 0) + packed
    return whole[:-2] + table + scan * scans + b"\xff\xd9"


def png_of_profiles(count: int) -> bytes:
    """A PNG with many colour profiles; each unpacks from a kilobyte to a megabyte."""
    whole = saved(Image.new("RGB", (8, 8)), "PNG")
    after_header = 33
    profile = png_chunk(b"iCCP", b"a\0\0" + zlib.compress(b"\0" * 1_000_000, 9))
    return whole[:after_header] + profile * count + whole[after_header:]


def png_of_chunks(count: int) -> bytes:
    """A PNG with empty chunks before its pixels."""
    whole = saved(Image.new("RGB", (8, 8)), "PNG")
    after_header = 33
    return whole[:after_header] + png_chunk(b"vqAx", b"") * count + whole[after_header:]


def jpeg_of_padding(size: int) -> bytes:
    """A JPEG with megabytes of fill bytes before its first segment."""
    whole = saved(Image.new("RGB", (8, 8)), "JPEG")
    return whole[:2] + b"\xff" * (size - len(whole)) + whole[2:]
