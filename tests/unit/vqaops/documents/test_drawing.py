"""The PDF of redacted pages."""

from __future__ import annotations

from io import BytesIO

import numpy as np
import pypdfium2
import pytest
from PIL import Image

from tests.support.documents import BAR, OTHER, TEXT, pdf
from vqaops.documents.drawing import draw_found


def entry(number: int, label: str = "redacted", under: bool = False) -> dict:
    box = {"left": 0.2, "top": 0.1, "right": 0.6, "bottom": 0.2, "confidence": 0.9, "text_under_box": under}
    return {"page": number, "label": label, "boxes": [box] if label == "redacted" else []}


def red_area(file, page: int = 0) -> tuple[float, float, float, float]:
    shown = np.asarray(pypdfium2.PdfDocument(file)[page].render(scale=2).to_pil().convert("RGB")).astype(int)
    rows, columns = np.nonzero((shown[..., 0] > 150) & (shown[..., 2] < 90))
    height, width = shown.shape[:2]
    return columns.min() / width, rows.max() / height, columns.max() / width, rows.min() / height


@pytest.mark.parametrize("turn", [0, 90, 180, 270])
def test_a_box_is_drawn_where_it_was_found_however_the_page_is_turned_and_cropped(tmp_path, turn):
    document = pdf([OTHER], page=f"/Rotate {turn} /CropBox [50 100 600 780]")
    assert draw_found(document, [entry(1)], tmp_path / "found.pdf") == 1
    left, bottom, right, _ = red_area(tmp_path / "found.pdf")
    if turn == 0:  # elsewhere the words lie along a side of the box
        assert (left, right, bottom) == pytest.approx((0.2, 0.6, 0.2), abs=0.01)
    shown = np.asarray(pypdfium2.PdfDocument(tmp_path / "found.pdf")[0].render(scale=2).to_pil()).astype(int)
    height, width = shown.shape[:2]
    middle_of_left_side = shown[int(0.15 * height), int(0.2 * width) - 4 : int(0.2 * width) + 5]
    assert (middle_of_left_side.max(axis=-1) - middle_of_left_side.min(axis=-1)).max() > 100


def test_only_redacted_pages_are_written_with_their_confidence(tmp_path):
    document = pdf([OTHER, f"{TEXT} {BAR}", OTHER])
    pages = [entry(1, "not redacted"), entry(2, under=True), entry(3, "not redacted")]
    assert draw_found(document, pages, tmp_path / "found.pdf") == 1
    written = pypdfium2.PdfDocument(tmp_path / "found.pdf")
    assert len(written) == 1
    assert "90%, text under the box" in written[0].get_textpage().get_text_range()


def test_the_pages_of_a_scan_are_written_too(tmp_path):
    scan = BytesIO()
    Image.new("L", (400, 500), 255).save(scan, "TIFF", save_all=True, append_images=[Image.new("L", (400, 500), 255)])
    assert draw_found(scan.getvalue(), [entry(2)], tmp_path / "found.pdf") == 1
    assert red_area(tmp_path / "found.pdf")[0] == pytest.approx(0.2, abs=0.01)


def test_nothing_is_written_without_redactions(tmp_path):
    assert draw_found(pdf([OTHER]), [entry(1, "not redacted")], tmp_path / "found.pdf") == 0
    assert not (tmp_path / "found.pdf").exists()
