"""A PDF of the redacted pages of a document, with the boxes and their confidences drawn on."""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Mapping, Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

import pypdfium2
import pypdfium2.raw as pdfium

from vqaops.documents.rendered import rendered_pages
from vqaserve.documents.pages import REDACTED

_PDFIUM = threading.Lock()
"""PDFium is not safe for threads, and the chat page draws for several people."""

_RED, _ORANGE = (200, 0, 0), (230, 120, 0)
_SIZE = 8
_FINE = 10
"""Device pixels of a point, in which places on a page are converted."""

_POINTS = 72 / 150
"""Of a pixel of a scan; larger ones are rendered at 150 dpi at most."""


def draw_found(document: bytes, pages: Sequence[Mapping[str, Any]], output: Path) -> int:
    """Write the redacted pages with boxes: red ones redact, orange ones have text under them.

    The pages of a PDF stay as they are, with the text that a box may hide; its scripts, forms and embedded files are
    left out. Those of a TIFF or a picture become pictures in grey.

    Args:
        document: The PDF, TIFF or picture.
        pages: The server's entries, in order.
        output: The PDF to write; nothing is written if no page is redacted.

    Returns:
        The number of pages written.
    """
    boxes = {page["page"]: page["boxes"] for page in pages if page.get("label") == REDACTED}
    if not boxes:
        return 0
    with _PDFIUM:
        found = pypdfium2.PdfDocument.new()
        numbers = (_add_pages if b"%PDF-" in document[:1024] else _add_pictures)(found, document, list(boxes))
        for place, number in enumerate(numbers):
            page = found[place]
            for box in boxes[number]:
                _draw(found, page, box)
            page.gen_content()
            page.close()
        found.save(output)
        found.close()
    return len(numbers)


def colour(box: Mapping[str, Any]) -> tuple[int, int, int]:
    """Red for a box that redacts, orange for one with text under it."""
    return _ORANGE if box["text_under_box"] else _RED


def caption(box: Mapping[str, Any]) -> str:
    """The confidence of a box, and whether text lies under it."""
    return f"{box['confidence']:.0%}{', text under the box' if box['text_under_box'] else ''}"


def _add_pages(found: pypdfium2.PdfDocument, document: bytes, numbers: Sequence[int]) -> Sequence[int]:
    """Append pages of a PDF, and return their numbers."""
    source = pypdfium2.PdfDocument(document)
    found.import_pages(source, [number - 1 for number in numbers])
    source.close()
    return numbers


def _add_pictures(found: pypdfium2.PdfDocument, document: bytes, numbers: Sequence[int]) -> Sequence[int]:
    """Append pages of a TIFF or a picture, one at a time: a scan of hundreds of pages does not fit into memory."""
    added = []
    for number, picture in rendered_pages(document, numbers):
        file = BytesIO()
        picture.save(file, "JPEG", quality=85)
        width, height = (_POINTS * pixels for pixels in picture.size)
        page, image = found.new_page(width, height), pypdfium2.PdfImage.new(found)
        image.load_jpeg(file, inline=True)
        image.set_matrix(pypdfium2.PdfMatrix().scale(width, height))
        page.insert_obj(image)
        page.gen_content()
        page.close()
        added.append(number)
    return added


def _draw(document: pypdfium2.PdfDocument, page: pypdfium2.PdfPage, box: Mapping[str, Any]) -> None:
    (x0, y0), (x1, y1) = (_place(page, box[x], box[y]) for x, y in (("left", "bottom"), ("right", "top")))
    left, bottom, width, height = min(x0, x1), min(y0, y1), abs(x1 - x0), abs(y1 - y0)
    frame = pdfium.FPDFPageObj_CreateNewRect(left, bottom, width, height)
    pdfium.FPDFPageObj_SetStrokeColor(frame, *colour(box), 255)
    pdfium.FPDFPageObj_SetStrokeWidth(frame, 1.5)
    pdfium.FPDFPath_SetDrawMode(frame, pdfium.FPDF_FILLMODE_NONE, True)
    pdfium.FPDFPage_InsertObject(page, frame)
    words = caption(box)
    text = pdfium.FPDFPageObj_NewTextObj(document, b"Helvetica-Bold", _SIZE)
    encoded = (ctypes.c_ushort * (len(words) + 1))(*map(ord, words))  # UTF-16 with a zero at the end
    pdfium.FPDFText_SetText(text, encoded)
    pdfium.FPDFPageObj_SetFillColor(text, *colour(box), 255)
    pdfium.FPDFPageObj_Transform(text, 1, 0, 0, 1, left, bottom + height + 2)
    pdfium.FPDFPage_InsertObject(page, text)


def _place(page: pypdfium2.PdfPage, across: float, down: float) -> tuple[float, float]:
    """A place in fractions of the page as it is shown, in the page's own coordinates."""
    width, height = (round(_FINE * side) for side in page.get_size())
    x, y = ctypes.c_double(), ctypes.c_double()
    pdfium.FPDF_DeviceToPage(page, 0, 0, width, height, 0, round(across * width), round(down * height), x, y)
    return x.value, y.value
