from __future__ import annotations

from dataclasses import replace

import pytest

from loadtest.overload.flood import FloodResult, percentile

GOOD = FloodResult(
    capacity=50,
    rate=500,
    accepted=300,
    accepted_p99=1.0,
    bound=1.25,
    refused=2700,
    refused_p99=0.004,
    lag_p99=0.0,
    unsent=0,
    wrong=0,
    others={},
    memory=(800, 810, 820, 815),
    back=1.0,
)


def test_a_flood_that_is_answered_in_time_or_refused_passes():
    assert GOOD.kept
    assert replace(GOOD, accepted_p99=1.5, lag_p99=0.25).kept  # the generator's own delay does not count


@pytest.mark.parametrize("change", [{"accepted_p99": 1.3}, {"wrong": 1}, {"others": {500: 1}}, {"back": 5.1}])
def test_late_or_wrong_answers_other_replies_and_a_long_recovery_do_not_pass(change: dict[str, object]):
    assert not replace(GOOD, **change).kept


@pytest.mark.parametrize(("count", "expected"), [(0, 0), (1, 0), (100, 99), (1000, 990)])
def test_a_percentile_is_a_value_that_was_measured(count: int, expected: float):
    assert percentile(range(count), 99) == expected
