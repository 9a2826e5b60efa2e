"""A PDF of the redacted pages of a document, with the boxes and their confidences drawn on."""

from __future__ import annotations

import ctypes
from collections.abc import Mapping, Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

import pypdfium2
import pypdfium2.raw as pdfium
from PIL import Image, ImageSequence

from vqaserve.documents.pages import REDACTED

_RED, _ORANGE = (200, 0, 0), (230, 120, 0)
_SIZE = 8
_FINE = 10
"""Device pixels of a point, in which places on a page are converted."""


def draw_found(document: bytes, pages: Sequence[Mapping[str, Any]], output: Path) -> int:
    """Write the redacted pages with boxes: red ones redact, orange ones have text under them.

    The pages stay as they are in the document, with the text that a box may hide. Scripts, forms and embedded files of
    the document are left out.

    Args:
        document: The PDF, TIFF or picture.
        pages: The server's entries.
        output: The PDF to write; nothing is written if no page is redacted.

    Returns:
        The number of pages written.
    """
    redacted = [page for page in pages if page.get("label") == REDACTED]
    if not redacted:
        return 0
    source = pypdfium2.PdfDocument(document if b"%PDF-" in document[:1024] else _as_pdf(document))
    found = pypdfium2.PdfDocument.new()
    found.import_pages(source, [entry["page"] - 1 for entry in redacted])
    for number, entry in enumerate(redacted):
        page = found[number]
        for box in entry["boxes"]:
            _draw(found, page, box)
        page.gen_content()
        page.close()
    found.save(output)
    return len(redacted)


def _as_pdf(document: bytes) -> bytes:
    """A PDF with the pictures of a file as its pages."""
    with Image.open(BytesIO(document)) as file:
        first, *others = (frame.convert("L") for frame in ImageSequence.Iterator(file))
        written = BytesIO()
        first.save(written, "PDF", save_all=True, append_images=others, resolution=150)
    return written.getvalue()


def _draw(document: pypdfium2.PdfDocument, page: pypdfium2.PdfPage, box: Mapping[str, Any]) -> None:
    (x0, y0), (x1, y1) = (_place(page, box[x], box[y]) for x, y in (("left", "bottom"), ("right", "top")))
    left, bottom, width, height = min(x0, x1), min(y0, y1), abs(x1 - x0), abs(y1 - y0)
    shade = _ORANGE if box["text_under_box"] else _RED
    frame = pdfium.FPDFPageObj_CreateNewRect(left, bottom, width, height)
    pdfium.FPDFPageObj_SetStrokeColor(frame, *shade, 255)
    pdfium.FPDFPageObj_SetStrokeWidth(frame, 1.5)
    pdfium.FPDFPath_SetDrawMode(frame, pdfium.FPDF_FILLMODE_NONE, True)
    pdfium.FPDFPage_InsertObject(page, frame)
    words = f"{box['confidence']:.0%}{', text under the box' if box['text_under_box'] else ''}"
    text = pdfium.FPDFPageObj_NewTextObj(document, b"Helvetica-Bold", _SIZE)
    encoded = (ctypes.c_ushort * (len(words) + 1))(*map(ord, words))  # UTF-16 with a zero at the end
    pdfium.FPDFText_SetText(text, encoded)
    pdfium.FPDFPageObj_SetFillColor(text, *shade, 255)
    pdfium.FPDFPageObj_Transform(text, 1, 0, 0, 1, left, bottom + height + 2)
    pdfium.FPDFPage_InsertObject(page, text)


def _place(page: pypdfium2.PdfPage, across: float, down: float) -> tuple[float, float]:
    """A place in fractions of the page as it is shown, in the page's own coordinates."""
    width, height = (round(_FINE * side) for side in page.get_size())
    x, y = ctypes.c_double(), ctypes.c_double()
    pdfium.FPDF_DeviceToPage(page, 0, 0, width, height, 0, round(across * width), round(down * height), x, y)
    return x.value, y.value
