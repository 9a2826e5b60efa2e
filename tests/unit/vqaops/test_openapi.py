from __future__ import annotations

from openapi_spec_validator import validate

from vqaops import openapi


def test_the_committed_document_is_current():
    assert openapi.DOCUMENT.read_text() == openapi.text(), "run scripts/openapi.py and commit docs/openapi.json"


def test_the_document_is_valid_openapi():
    validate(openapi.document())


def test_every_field_of_the_form_has_an_example_that_can_be_sent():
    # Without one, Swagger UI fills in "string", and sends it.
    fields = openapi.FORM["properties"]
    assert [name for name, field in fields.items() if "example" not in field] == ["image"]
