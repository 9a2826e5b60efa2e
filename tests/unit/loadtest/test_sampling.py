from __future__ import annotations

import itertools
import threading

from loadtest.sampling import sampled


def test_samples_are_taken_until_the_block_ends():
    enough, values = threading.Event(), itertools.count()

    def read() -> float:
        value = next(values)
        if value == 3:
            enough.set()
        return float(value)

    with sampled(read, 0.001) as samples:
        assert enough.wait(10)
    count = len(samples)
    assert [value for _, value in samples[:4]] == [0, 1, 2, 3]
    assert [moment for moment, _ in samples] == sorted(moment for moment, _ in samples)
    assert len(samples) == count
