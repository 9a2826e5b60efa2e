"""File formats of pictures: which are accepted, and what a file is that cannot be opened."""

from __future__ import annotations

import warnings
from io import BytesIO

from PIL import TiffImagePlugin, TiffTags

FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF")
"""Pillow's other decoders (PDF, EPS, FITS, ...) never see a byte."""

_ACCEPTED = (
    (b"\xff\xd8\xff", "JPEG"),
    (b"\x89PNG\r\n", "PNG"),
    (b"GIF8", "GIF"),
    (b"BM", "BMP"),
    *((prefix, "TIFF") for prefix in TiffImagePlugin.PREFIXES),
)
_BEGINNINGS = (
    (0, b"%PDF", "a PDF document"),
    (0, b"8BPS", "a Photoshop document"),
    (0, b"\0\0\1\0", "a Windows icon (ICO)"),
    (0, b"\0\0\0\x0cjP  ", "a JPEG 2000 picture"),
    (0, b"\xff\x4f\xff\x51", "a JPEG 2000 picture"),
    (0, b"\0\0\0\x0cJXL ", "a JPEG XL picture"),
    (0, b"\xff\x0a", "a JPEG XL picture"),
    (0, b"icns", "an Apple icon (ICNS)"),
    (0, b"%!PS", "a PostScript file"),
    (0, b"\xc5\xd0\xd3\xc6", "a PostScript file"),
    (0, b"DDS ", "a DirectDraw surface"),
    (0, b"qoif", "a QOI picture"),
    (0, b"\x76\x2f\x31\x01", "an OpenEXR picture"),
    (0, b"#?RADIANCE", "a Radiance HDR picture"),
    (0, b"SIMPLE  =", "a FITS file"),
    (0, b"gimp xcf", "a GIMP document"),
    (0, b"\x1f\x8b", "a gzip file"),
    (0, b"\xfd7zXZ\0", "an xz file"),
    (0, b"\x28\xb5\x2f\xfd", "a zstd file"),
    (0, b"BZh", "a bzip2 file"),
    (0, b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive"),
    (0, b"Rar!", "a RAR archive"),
    (0, b"\x93NUMPY", "a numpy array (.npy)"),
    (0, b"PK\3\4", "a ZIP archive"),
    (4, b"ftyphei", "a HEIC picture"),
    (4, b"ftyphev", "a HEIC picture"),
    (4, b"ftypmif1", "a HEIF picture"),
    (4, b"ftypmsf1", "a HEIF picture"),
    (4, b"ftypavi", "an AVIF picture"),
    (4, b"ftyp", "a video"),
    (128, b"DICM", "a DICOM picture"),
)
"""Offset, magic number, name; the first that fits counts."""

_NETPBM = (b"P1", b"P2", b"P3", b"P4", b"P5", b"P6", b"P7", b"Pf", b"PF")
_TEXTS = ((b"<svg", "an SVG drawing"), (b"<!doctype html", "a web page"), (b"<html", "a web page"))
_HEADER_BYTES = 1024

_JPEG_FRAMES = {
    0xC3: "lossless",
    0xC5: "hierarchical",
    0xC6: "hierarchical",
    0xC7: "hierarchical",
    0xCB: "lossless",
}
_SAMPLE_KINDS = {1: "unsigned", 2: "signed", 3: "floating-point", 5: "complex integer", 6: "complex floating-point"}
_YCBCR = 6
_COMMON_COMPRESSIONS = (1, 2, 3, 4, 5, 7, 8, 32773, 32946)


def list_formats() -> str:
    """The accepted formats as words: ``JPEG, PNG, ... or TIFF``."""
    return ", ".join(FORMATS[:-1]) + " or " + FORMATS[-1]


def name_picture(data: bytes) -> str | None:
    """The accepted format that a file begins like; None if it is of none."""
    if data.startswith(b"RIFF"):
        return "WEBP" if data[8:12] == b"WEBP" else None
    return next((name for magic, name in _ACCEPTED if data.startswith(magic)), None)


def name_format(data: bytes) -> str | None:
    """Name a file that no accepted format describes, by its first bytes; None if they are not known."""
    if data[:2] in _NETPBM and data[2:3].isspace():
        return "a Netpbm picture (PPM)"
    head = data[:_HEADER_BYTES].removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    for beginning, name in _TEXTS:
        if head.startswith(beginning) or (beginning == b"<svg" and head.startswith(b"<?xml") and beginning in head):
            return name
    return next((name for offset, magic, name in _BEGINNINGS if data.startswith(magic, offset)), None)


def unsupported_kind(data: bytes) -> str | None:
    """Describe a whole JPEG or TIFF of a rare kind that cannot be decoded; None if the file is of a common kind."""
    if data.startswith(b"\xff\xd8"):
        return _rare_jpeg(data)
    if data.startswith(tuple(TiffImagePlugin.PREFIXES)):
        return _rare_tiff(data)
    return None


def _rare_jpeg(data: bytes) -> str | None:
    frame = _jpeg_frame(data)
    if frame is None:
        return None
    marker, bits, channels = frame
    if bits != 8:
        return f"a JPEG of {bits} bits a sample"
    if marker in _JPEG_FRAMES:
        return f"a JPEG of {bits} bits a sample in {_JPEG_FRAMES[marker]} mode"
    return None if channels in (1, 3, 4) else f"a JPEG of {channels} samples a pixel"


def _jpeg_frame(data: bytes) -> tuple[int, int, int] | None:
    """Marker, bits a sample and samples a pixel of a JPEG's frame header; None if there is none."""
    place = 2
    while place + 10 <= len(data) and data[place] == 0xFF:
        marker, length = data[place + 1], int.from_bytes(data[place + 2 : place + 4])
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            return marker, data[place + 4], data[place + 9]
        place += 1 if marker == 0xFF else 2 + length
    return None


def _rare_tiff(data: bytes) -> str | None:
    """Describe the samples of a TIFF, if it has readable tags and they are of a kind that Pillow does not know."""
    try:
        tags = TiffImagePlugin.ImageFileDirectory_v2(data[:8] if data[2] != 43 and data[3] != 43 else data[:16])
        file = BytesIO(data)
        file.seek(tags.next)
        with warnings.catch_warnings(action="ignore"):  # of tags that are cut off
            tags.load(file)
        bits = tags.get(TiffImagePlugin.BITSPERSAMPLE, (1,))
        kind = tags.get(TiffImagePlugin.SAMPLEFORMAT, (1,))[0]
        compression = tags.get(TiffImagePlugin.COMPRESSION, 1)
        model = tags.get(TiffImagePlugin.PHOTOMETRIC_INTERPRETATION, 0)
        extra = tags.get(TiffImagePlugin.EXTRASAMPLES, ())
        order = tags.get(TiffImagePlugin.FILLORDER, 1)
        key = (tags.prefix, model, (kind,), order, bits, tuple(extra))
    except MemoryError:
        raise
    except Exception:  # noqa: BLE001 - the tags of a damaged file can be anything
        return None
    is_subsampled = model == _YCBCR and tags.get(TiffImagePlugin.YCBCRSUBSAMPLING, (2, 2)) != (1, 1)
    known = key in TiffImagePlugin.OPEN_INFO or (*key[:4], bits * 3, key[5]) in TiffImagePlugin.OPEN_INFO
    if known and compression in _COMMON_COMPRESSIONS and not (is_subsampled and compression == 1):
        return None
    names = TiffTags.lookup(TiffImagePlugin.PHOTOMETRIC_INTERPRETATION).enum
    named = next((name for name, number in names.items() if number == model), f"number {model}")
    depth = f"{bits[0]}-bit {_SAMPLE_KINDS.get(kind, 'unknown')}"
    packed = "" if compression in _COMMON_COMPRESSIONS else f" in compression {compression}"
    subsampled = " with subsampled colours" if is_subsampled else ""
    return f"a TIFF of {len(bits)} {depth} samples a pixel in colour model {named}{subsampled}{packed}"
