"""The program of the process that reads one document (reading.py): the file comes in, pages go out."""

from __future__ import annotations

import ctypes
import json
import math
import os
import resource
import sys
import zlib
from collections.abc import Iterator
from io import BytesIO
from typing import Any

import numpy as np
import pypdfium2
import pypdfium2.raw as pdfium
from numpy.typing import NDArray
from PIL import Image, ImageOps, ImageSequence

from vqaserve.documents.pages import choose_pages
from vqaserve.errors import InvalidImage, InvalidParameter
from vqaserve.images import SEVERAL_FRAMES, has_more_frames, to_upright_srgb
from vqaserve.picture_formats import FORMATS

MOST_PIXELS = 2_300_000
"""Of a rendered page: an A4 page at 150 dpi has 2.2 million. A larger page is rendered at less than 150 dpi."""

_DPI = 150
_MOST_MEMORY = 1_500 * 2**20
_MOST_SCAN_PIXELS = 40_000_000
"""Of one picture in a TIFF: an A4 page at 600 dpi has 35 million."""

_MOST_CHARACTERS = 20_000
"""Characters of a page that are looked for; a full page of small print has 10,000."""

_VISIBLE = 40
"""Difference of shades (of 255) within a character's box from which on something can be seen there."""

_INK = 64
"""Difference to white from which on a pixel belongs to the content of a page."""

_Grey = NDArray[np.uint8]


def _pdf(data: bytes, wanted: str, most: int) -> Iterator[tuple[dict[str, Any], Image.Image]]:
    try:
        document = pypdfium2.PdfDocument(data)
    except pypdfium2.PdfiumError as error:
        if "password" in str(error).lower():
            raise InvalidImage("the PDF is encrypted with a password; send it without (qpdf --decrypt)") from None
        raise InvalidImage("the PDF is damaged and cannot be opened; print it into a new PDF") from None
    document.init_forms()
    for number in choose_pages(wanted, len(document), most):
        try:
            page = document[number - 1]
            grey = rendered(page)
            hidden = hidden_characters(page, np.asarray(grey))
        except pypdfium2.PdfiumError:
            raise InvalidImage(f"page {number} of the PDF is damaged; choose other pages, or print it anew") from None
        yield {"number": number, "of": len(document), "hidden": hidden, "warnings": []}, grey
        page.close()


def rendered(page: pypdfium2.PdfPage) -> Image.Image:
    """A page in grey, at 150 dpi or what ``MOST_PIXELS`` allow.

    Raises:
        InvalidImage: The page has no size.
    """
    width, height = page.get_size()
    if not (0 < width < math.inf and 0 < height < math.inf):
        raise InvalidImage("a page of the PDF has no size; choose other pages, or print it into a new PDF")
    scale = min(_DPI / 72, math.sqrt(MOST_PIXELS / (width * height)))
    picture: Image.Image = page.render(scale=scale, grayscale=True).to_pil().convert("L")
    return picture


def hidden_characters(page: pypdfium2.PdfPage, shown: _Grey) -> list[tuple[float, float]]:
    """The middles of the characters where the rendered page [height, width] shows nothing but one shade."""
    text = page.get_textpage()
    places = []
    area = [ctypes.c_double() for _ in range(4)]
    x, y = ctypes.c_int(), ctypes.c_int()
    height, width = shown.shape
    for number in range(min(text.count_chars(), _MOST_CHARACTERS)):
        if pdfium.FPDFText_GetUnicode(text, number) <= 0x20 or pdfium.FPDFText_IsGenerated(text, number) == 1:
            continue
        if not pdfium.FPDFText_GetCharBox(text, number, *area):
            continue
        left, right, bottom, top = (one.value for one in area)
        corners = []
        for across, up in ((left, top), (right, bottom)):  # rotation and crop box included
            pdfium.FPDF_PageToDevice(page, 0, 0, width, height, 0, across, up, x, y)
            corners.append((x.value, y.value))
        (x0, x1), (y0, y1) = (sorted(pair) for pair in zip(*corners, strict=True))
        within = shown[max(0, y0) : max(0, y1 + 1), max(0, x0) : max(0, x1 + 1)]
        if within.size and int(within.max()) - int(within.min()) < _VISIBLE:
            places.append((round((x0 + x1) / 2 / width, 5), round((y0 + y1) / 2 / height, 5)))
    text.close()
    return places


def to_png(grey: Image.Image) -> bytes:
    """A page as PNG; looking for runs alone takes 0.7 to 0.9 of the time that looking for all repeats takes."""
    file = BytesIO()
    grey.save(file, "PNG", compress_level=1, compress_type=zlib.Z_RLE)
    return file.getvalue()


def _pictures(data: bytes, wanted: str, most: int) -> Iterator[tuple[dict[str, Any], Image.Image]]:
    """The pictures of a TIFF, or the first one of another format."""
    try:
        with Image.open(BytesIO(data), formats=FORMATS) as file:
            is_tiff = file.format == "TIFF"
            count = getattr(file, "n_frames", 1) if is_tiff else 1
            unread = [SEVERAL_FRAMES] if not is_tiff and has_more_frames(file) else []
            chosen = choose_pages(wanted, count, most)
            for number, frame in enumerate(ImageSequence.Iterator(file), 1):
                if number > chosen[-1]:
                    return
                if number not in chosen:
                    continue
                if frame.width * frame.height > _MOST_SCAN_PIXELS:
                    raise InvalidImage(
                        f"page {number} is {frame.width} x {frame.height} pixels; at most {_MOST_SCAN_PIXELS:,} are "
                        "allowed: scan it at 300 dpi"
                    )
                grey, warnings = _upright_grey(frame, data)
                scale = math.sqrt(MOST_PIXELS / (grey.width * grey.height))
                if scale < 1:
                    size = (max(1, int(grey.width * scale)), max(1, int(grey.height * scale)))
                    grey = grey.resize(size, Image.Resampling.BOX)
                yield {"number": number, "of": count, "hidden": [], "warnings": [*unread, *warnings]}, grey
    except (InvalidImage, InvalidParameter, MemoryError):
        raise
    except Exception:  # noqa: BLE001 - decoders raise nearly anything on hostile bytes
        raise InvalidImage("the file is neither a PDF nor a picture that can be read; send a PDF or TIFF") from None


def _upright_grey(frame: Image.Image, data: bytes) -> tuple[Image.Image, tuple[str, ...]]:
    """A page in 8-bit grey, and warnings; of 16 bits, Pillow alone would make white, and of transparent paper black."""
    if frame.mode == "1" and not frame.has_transparency_data:  # a fax, whose many pixels have no colours to convert
        return ImageOps.exif_transpose(frame).convert("L"), ()
    pixels, warnings = to_upright_srgb(frame, data)
    return pixels.convert("L"), warnings


def _content(grey: Image.Image) -> tuple[float, float, float, float]:
    """The page without its margins, in fractions; the whole page if it is empty."""
    box = grey.point(lambda shade: 255 if shade < 255 - _INK else 0).getbbox() or (0, 0, *grey.size)
    width, height = grey.size
    return (box[0] / width, box[1] / height, box[2] / width, box[3] / height)


def _main() -> None:
    wanted, most, seconds = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])
    resource.setrlimit(resource.RLIMIT_AS, (_MOST_MEMORY, _MOST_MEMORY))
    resource.setrlimit(resource.RLIMIT_CPU, (math.ceil(seconds), math.ceil(seconds) + 1))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    data, output = sys.stdin.buffer.read(), os.fdopen(os.dup(1), "wb")
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (1, 2):  # libraries write messages there, which quote the clients' files
        os.dup2(nowhere, stream)
    try:
        read = _pdf if b"%PDF-" in data[:1024] else _pictures
        for head, grey in read(data, wanted, most):
            picture = to_png(grey)
            head |= {"content": _content(grey), "bytes": len(picture)}
            output.write(json.dumps(head).encode() + b"\n" + picture)
    except (InvalidImage, InvalidParameter) as error:
        refusal = {"refused": str(error), "parameter": isinstance(error, InvalidParameter)}
        output.write(json.dumps(refusal).encode() + b"\n")
    output.close()


if __name__ == "__main__":
    _main()
