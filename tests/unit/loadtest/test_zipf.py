from __future__ import annotations

from loadtest.zipf import zipf_weights


def test_weights_follow_zipf():
    assert zipf_weights(4) == [1, 1 / 2, 1 / 3, 1 / 4]
