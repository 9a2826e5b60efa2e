"""Documents that are made to harm what reads them."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from loadtest.fuzz.hostile_documents import hostile_documents
from vqaserve.documents.limits import DocumentLimits
from vqaserve.documents.reading import read_document
from vqaserve.errors import InvalidImage, InvalidParameter

LIMITS = DocumentLimits(max_image_bytes=25_000_000, max_pages=16, max_document_seconds=1)


def outcome(document: bytes) -> str:
    try:
        return f"{len(read_document(document, '', LIMITS))} pages"
    except (InvalidImage, InvalidParameter) as error:
        return str(error)


def test_every_hostile_document_is_read_or_refused_in_one_line():
    documents = dict(hostile_documents())
    with ThreadPoolExecutor(2) as pool:
        outcomes = dict(zip(documents, pool.map(outcome, documents.values()), strict=True))
    assert len(outcomes) > 30
    assert all("\n" not in said and len(said) < 300 for said in outcomes.values())
    assert outcomes["script that runs for ever"] == outcomes["embedded program"] == "1 pages"
    assert "takes too long" in outcomes["drawings of drawings, 30 to the power of 12"]
    assert "encrypted" in outcomes["password"]
