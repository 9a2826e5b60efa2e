"""The PDF of redacted pages, drawn in a process of its own."""

from __future__ import annotations

from pathlib import Path

import pypdfium2
import pytest

from tests.support.documents import BAR, OTHER, pdf
from tests.unit.vqaops.documents.test_drawing import entry
from vqaops.documents.drawing_process import draw_apart
from vqaserve.errors import InvalidImage


def test_the_process_writes_the_redacted_pages(tmp_path: Path):
    draw_apart(pdf([OTHER, BAR, BAR]), [entry(2), entry(3)], tmp_path / "found.pdf")
    assert len(pypdfium2.PdfDocument(tmp_path / "found.pdf")) == 2


def test_a_document_that_ends_the_process_is_refused_in_one_line(tmp_path: Path):
    with pytest.raises(InvalidImage, match=r"the document \(200 bytes\) takes too much time or memory to draw"):
        draw_apart(pdf([BAR])[:200], [entry(1)], tmp_path / "found.pdf")
    assert not (tmp_path / "found.pdf").exists()
