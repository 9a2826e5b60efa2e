"""PNG and TIFF files of every depth and colour model, written from numpy arrays; Pillow writes only the common ones."""

from __future__ import annotations

import struct
import zlib

import numpy as np

from tests.support.bombs import png_chunk

_PNG_COLOURS = {1: 0, 2: 4, 3: 2, 4: 6}  # by channels
_TIFF_TYPES = {"H": 3, "I": 4}


def png_of(pixels: np.ndarray, bits: int = 8, chunks: bytes = b"") -> bytes:
    """A PNG.

    Args:
        pixels: Samples [height, width] or [height, width, channels].
        bits: Of each sample.
        chunks: Further chunks, put between the header and the pixels.
    """
    height, width, channels = np.atleast_3d(pixels).shape
    rows = b"".join(b"\0" + _packed(row, bits) for row in pixels.reshape(height, -1))
    header = struct.pack(">IIBBBBB", width, height, bits, _PNG_COLOURS[channels], 0, 0, 0)
    content = png_chunk(b"IHDR", header) + chunks + png_chunk(b"IDAT", zlib.compress(rows)) + png_chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + content


def tiff_of(
    pixels: np.ndarray, model: int | None = None, order: str = "<", sample_format: int | None = None, **tags: int
) -> bytes:
    """An uncompressed TIFF of the array's own depth.

    Args:
        pixels: Samples [height, width] or [height, width, channels].
        model: PhotometricInterpretation; by default black is zero, or RGB.
        order: ``<`` or ``>``.
        sample_format: 1 unsigned, 2 signed, 3 floating-point; by default the array's.
        tags: Further tags by number, as ``t338=2``.
    """
    height, width, channels = np.atleast_3d(pixels).shape
    bits = pixels.dtype.itemsize * 8
    data = pixels.astype(pixels.dtype.newbyteorder(order)).tobytes()
    entries: dict[int, tuple[str, list[int]]] = {
        256: ("I", [width]),
        257: ("I", [height]),
        258: ("H", [bits] * channels),
        259: ("H", [1]),
        262: ("H", [model if model is not None else 2 if channels >= 3 else 1]),
        273: ("I", [8]),
        277: ("H", [channels]),
        278: ("I", [height]),
        279: ("I", [len(data)]),
        339: ("H", [sample_format or {"u": 1, "i": 2, "f": 3}[pixels.dtype.kind]] * channels),
    }
    entries |= {int(name[1:]): ("H", [value]) for name, value in tags.items()}
    start = 8 + len(data)
    table, values = struct.pack(order + "H", len(entries)), b""
    values_at = start + 2 + 12 * len(entries) + 4
    for tag, (kind, numbers) in sorted(entries.items()):
        packed = struct.pack(f"{order}{len(numbers)}{kind}", *numbers)
        if len(packed) > 4:
            packed, values = struct.pack(order + "I", values_at + len(values)), values + packed
        table += struct.pack(order + "HHI", tag, _TIFF_TYPES[kind], len(numbers)) + packed.ljust(4, b"\0")
    magic = b"II*\0" if order == "<" else b"MM\0*"
    return magic + struct.pack(order + "I", start) + data + table + b"\0" * 4 + values


def _packed(row: np.ndarray, bits: int) -> bytes:
    if bits >= 8:
        return row.astype(f">u{bits // 8}").tobytes()
    return np.packbits(np.unpackbits(row.astype(np.uint8)[:, None], axis=1)[:, -bits:].ravel()).tobytes()
