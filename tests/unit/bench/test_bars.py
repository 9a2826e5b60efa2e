from __future__ import annotations

from loadtest.bench.bars import as_fp32


def test_agreement_on_pairs_that_the_model_was_fitted_to_is_no_merit():
    assert as_fp32("vilt", 1.0).verdict == "not shown"
    assert as_fp32("vilt", 0.98).verdict == "missed"
