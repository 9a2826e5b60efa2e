"""Links between files of the repository lead to the right pages of the site."""

from __future__ import annotations

import pytest

from docs.hooks import repository


def adapted(markdown: str, source: str, uri: str) -> str:
    shown = repository.pages_outside_docs()
    return repository.LINK.sub(lambda link: repository._adapt(link, source, uri, shown), markdown)


@pytest.mark.parametrize(
    ("link", "source", "uri", "expected"),
    [
        ("[a](docs/operations.md#alerts)", "README.md", "index.md", "[a](operations.md#alerts)"),
        ("[a](../../SECURITY.md)", "docs/how-to/gateway.md", "how-to/gateway.md", "[a](../explanation/security.md)"),
        ("[a](errors.md)", "docs/reference/errors.md", "reference/errors.md", "[a](errors.md)"),
        ("[a](recipes/rooms/README.md)", "README.md", "index.md", "[a](models/rooms.md)"),
        ("[a](docs/operations.md)", "SECURITY.md", "explanation/security.md", "[a](../operations.md)"),
        (
            "![curve](learning-curve.png)",
            "recipes/rooms/README.md",
            "models/rooms.md",
            "![curve](rooms-learning-curve.png)",
        ),
        ("[a](https://example.org/b.md)", "README.md", "index.md", "[a](https://example.org/b.md)"),
        ("[a](#below)", "README.md", "index.md", "[a](#below)"),
    ],
)
def test_a_link_to_a_page_leads_to_its_place_in_the_site(link: str, source: str, uri: str, expected: str):
    assert adapted(link, source, uri) == expected


def test_a_link_to_a_file_that_is_no_page_becomes_its_text():
    assert adapted("see [slo.yaml](loadtest/slo.yaml)", "README.md", "index.md") == "see slo.yaml"


def test_a_link_to_a_file_that_is_missing_stays_for_the_strict_build_to_refuse():
    assert adapted("[a](nothing.yaml)", "README.md", "index.md") == "[a](nothing.yaml)"
