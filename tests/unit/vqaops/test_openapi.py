from __future__ import annotations

from openapi_spec_validator import validate

from vqaops import openapi


def test_the_committed_document_is_current():
    assert openapi.DOCUMENT.read_text() == openapi.text(), "run scripts/openapi.py and commit docs/openapi.json"


def test_the_document_is_valid_openapi():
    validate(openapi.document())
