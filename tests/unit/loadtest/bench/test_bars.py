from __future__ import annotations

from loadtest.bench.bars import as_fp32
from loadtest.bench.measuring import Agreement


def test_agreement_with_fp32_passes_from_99_percent_on_and_says_of_how_many_pairs():
    assert as_fp32("vilt", Agreement(381, 384)).verdict == "pass"
    missed = as_fp32("vilt", Agreement(380, 384))
    assert (missed.value, missed.verdict) == ("98.96%", "missed")
    assert "380 of 384 pairs of held-out shots" in missed.reason
