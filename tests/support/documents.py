"""PDF documents with text and bars, written by hand, and a family that finds dark bars without a model."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy import ndimage

from vqaserve.families.dummy import Dummy
from vqaserve.types import Answer

WIDTH, HEIGHT = 612, 792
BAR = "0 g 90 694 240 20 re f"
TEXT = "BT /F 14 Tf 100 700 Td (secret name) Tj ET"
OTHER = "BT /F 14 Tf 100 400 Td (open words) Tj ET"


def letter(*bars: tuple[int, int, int]) -> str:
    """The content of a page with lines of text and black bars over some of it.

    Args:
        bars: Line, left edge and width in points; the text stays below.
    """
    words = "the quick brown fox jumps over the lazy dog and runs away from all of it today"
    lines = "".join(f"BT /F 11 Tf 70 {700 - 18 * line} Td ({words}) Tj ET " for line in range(30))
    return lines + "0 g " + "".join(f"{left} {697 - 18 * line} {width} 13 re f " for line, left, width in bars)


def pdf(contents: Sequence[str], catalog: str = "", page: str = "") -> bytes:
    """A document with one page for each content stream.

    Args:
        contents: PDF operators; Helvetica is ``/F``.
        catalog: Further entries of the catalog.
        page: Further entries of each page.
    """
    kids = " ".join(f"{4 + 2 * number} 0 R" for number in range(len(contents)))
    objects = [
        f"<< /Type /Catalog /Pages 2 0 R {catalog} >>",
        f"<< /Type /Pages /Kids [{kids}] /Count {len(contents)} >>",
        "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
    ]
    for number, content in enumerate(contents):
        objects.append(
            f"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 {WIDTH} {HEIGHT}] /Contents {5 + 2 * number} 0 R "
            f"/Resources << /Font << /F 3 0 R >> >> {page} >>"
        )
        objects.append(f"<< /Length {len(content)} >>\nstream\n{content}\nendstream")
    file, places = b"%PDF-1.7\n", []
    for number, text in enumerate(objects, 1):
        places.append(len(file))
        file += f"{number} 0 obj\n{text}\nendobj\n".encode()
    table = "".join(f"{place:010d} 00000 n \n" for place in places)
    return (
        file
        + f"xref\n0 {len(objects) + 1}\n0000000000 65535 f \n{table}trailer\n"
        f"<< /Size {len(objects) + 1} /Root 1 0 R >>\nstartxref\n{len(file)}\n%%EOF\n".encode()
    )


class DarkBars(Dummy):
    """Finds connected dark areas that are taller than letters."""

    tasks = frozenset({"document_redaction_detection"})

    def encode(self, pictures):
        return [_bars(np.asarray(picture.convert("L"))) for picture in pictures]

    def forward(self, features, queries):
        del queries
        return list(features)

    def decode(self, outputs, queries):
        del queries
        return [
            (Answer("redacted", 0.9, {"boxes": boxes}), Answer("not redacted", 0.1))
            if boxes
            else (Answer("not redacted", 0.9, {"boxes": []}), Answer("redacted", 0.1))
            for boxes in outputs
        ]


def _bars(page):
    labels, _ = ndimage.label(page < 100)
    height, width = page.shape
    return [
        {
            "left": columns.start / width,
            "top": rows.start / height,
            "right": columns.stop / width,
            "bottom": rows.stop / height,
            "confidence": 0.9,
        }
        for rows, columns in ndimage.find_objects(labels)
        if page[rows, columns].size > 4000 and min(columns.stop - columns.start, rows.stop - rows.start) > 20
    ]
