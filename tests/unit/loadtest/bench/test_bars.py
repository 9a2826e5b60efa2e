from __future__ import annotations

from loadtest.bench.bars import fp32_agreement
from loadtest.bench.bench_result import Agreement


def test_agreement_with_fp32_passes_from_99_percent_and_names_the_number_of_pairs():
    assert fp32_agreement("vilt", Agreement(381, 384)).status == "pass"
    missed = fp32_agreement("vilt", Agreement(380, 384))
    assert (missed.value, missed.status) == ("98.96%", "missed")
    assert "380 of 384 pairs" in missed.reason
