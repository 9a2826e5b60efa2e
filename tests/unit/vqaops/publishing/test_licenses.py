from __future__ import annotations

import pytest

from vqaops.publishing.licenses import may_be_passed_on


@pytest.mark.parametrize(
    "license", ["apache-2.0", "mit", "bsd-3-clause", "cc-by-nc-sa-4.0", "cc0-1.0", "gpl-3.0", "creativeml-openrail-m"]
)
def test_licenses_that_let_everyone_pass_files_on(license: str):
    assert may_be_passed_on(license)


@pytest.mark.parametrize("license", ["other", "unknown", "", "llama3.1", "gemma", "cc", "research-only", "apple-amlr"])
def test_licenses_that_do_not_or_that_must_be_accepted_first(license: str):
    assert not may_be_passed_on(license)
