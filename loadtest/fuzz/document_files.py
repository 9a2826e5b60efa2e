"""Documents of a few pages: PDFs of text, bars and pictures, and a TIFF."""

from __future__ import annotations

import random
import time
import zlib
from collections.abc import Sequence
from functools import cache
from io import BytesIO

from PIL import Image

PAGES = 3
MANY_PAGES = 2_000
_TEXT = b"BT /F 14 Tf 100 700 Td (a name) Tj ET BT /F 14 Tf 100 400 Td (other words) Tj ET 0 g 90 694 240 20 re f"
_PAGE = b"/Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Resources << /Font << /F 3 0 R >> >>"
_FONT = b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>"


@cache
def document_files() -> tuple[bytes, ...]:
    """Return documents; the same at each call."""
    return (*_pictures(), *_vector_documents())


def _pictures() -> list[bytes]:
    """Scanned pages: a PDF of each compression that Pillow writes, and a TIFF."""
    noise = Image.frombytes("RGB", (48, 64), random.Random(0).randbytes(48 * 64 * 3))
    scans = [noise.convert(mode).resize((240, 320)) for mode in ("RGB", "L", "1", "P")]
    return [_saved([scan] * PAGES, "PDF") for scan in scans] + [_saved([scans[1]] * PAGES, "TIFF")]


def _saved(pages: Sequence[Image.Image], file_format: str) -> bytes:
    buffer = BytesIO()
    dates = {"creationDate": time.gmtime(0), "modDate": time.gmtime(0)}  # of a PDF; by default now
    pages[0].save(buffer, file_format, save_all=True, append_images=pages[1:], **dates)
    return buffer.getvalue()


def _vector_documents() -> list[bytes]:
    packed = pdf_stream(zlib.compress(_TEXT), b"/Filter /FlateDecode")
    return [_document([pdf_stream(_TEXT)] * PAGES), _document([packed]), _document([pdf_stream(_TEXT)] * MANY_PAGES)]


def _document(contents: Sequence[bytes]) -> bytes:
    """A PDF with a page for each content stream; the first stream is object 5."""
    kids = b" ".join(b"%d 0 R" % (4 + 2 * number) for number in range(len(contents)))
    pages = [
        one
        for number, content in enumerate(contents)
        for one in (b"<< %b /Contents %d 0 R >>" % (_PAGE, 5 + 2 * number), content)
    ]
    tree = b"<< /Type /Pages /Kids [%b] /Count %d >>" % (kids, len(contents))
    return pdf_file([b"<< /Type /Catalog /Pages 2 0 R >>", tree, _FONT, *pages])


def pdf_stream(content: bytes, entries: bytes = b"") -> bytes:
    """An object with a stream."""
    return b"<< /Length %d %b >>\nstream\n%b\nendstream" % (len(content), entries, content)


def pdf_file(objects: Sequence[bytes]) -> bytes:
    """Objects 1, 2 and so on as a file; the first is the catalog."""
    parts, places, at = [b"%PDF-1.7\n"], [], 9
    for number, content in enumerate(objects, 1):
        places.append(at)
        parts.append(b"%d 0 obj\n%b\nendobj\n" % (number, content))
        at += len(parts[-1])
    size = len(objects) + 1
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    head = b"xref\n0 %d\n0000000000 65535 f \n" % size
    tail = b"trailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (size, at)
    return b"".join([*parts, head, table, tail])
