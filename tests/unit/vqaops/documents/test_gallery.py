"""Pictures of redacted pages."""

from __future__ import annotations

import numpy as np

from tests.support.documents import BAR, OTHER, pdf
from vqaops.documents.gallery import page_pictures


def entry(number: int, label: str, under: bool = False) -> dict:
    box = {"left": 0.2, "top": 0.1, "right": 0.6, "bottom": 0.2, "confidence": 0.9, "text_under_box": under}
    return {"page": number, "label": label, "boxes": [box]}


def test_redacted_pages_are_shown_with_their_boxes_and_other_pages_are_not():
    pages = [entry(1, "not redacted"), entry(2, "redacted"), {"page": 3, "code": 422}, entry(4, "redacted", under=True)]
    (second, red), (fourth, orange) = page_pictures(pdf([OTHER, BAR, OTHER, BAR]), pages)
    assert (second, fourth) == (2, 4)
    for picture, shade in ((red, (200, 0, 0)), (orange, (230, 120, 0))):
        rows, columns = np.nonzero((np.asarray(picture) == shade).all(-1))
        assert abs(columns.min() / picture.width - 0.2) < 0.01
        assert abs(columns.max() / picture.width - 0.6) < 0.01
        assert abs(rows.max() / picture.height - 0.2) < 0.01


def test_more_pages_than_are_rendered_at_once_are_shown_in_order():
    pages = [entry(number, "redacted") for number in range(1, 12)]
    assert [number for number, _ in page_pictures(pdf([BAR] * 11), pages)] == list(range(1, 12))
