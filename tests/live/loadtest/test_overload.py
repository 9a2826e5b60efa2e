"""A few seconds of ten times too much, and connections that only cost; `make overload` takes a minute and measures."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from loadtest.overload.__main__ import Target, among, flood, slow_target
from loadtest.overload.connections import Nuisance, half_closed, idle, slow


@pytest.fixture(scope="module")
def target(run_folder: Callable[[], Path]) -> Iterator[Target]:
    with slow_target(run_folder()) as one:
        yield one


def test_ten_times_too_much_is_answered_or_refused_and_nothing_else(target: Target):
    result = flood(target, times=10, seconds=6)
    assert result.others == {}
    assert result.wrong == 0
    assert result.accepted > 0
    assert result.refused > result.accepted
    assert result.accepted + result.refused + result.unsent >= 6 * 9 * result.capacity


@pytest.mark.parametrize(("nuisance", "count"), [(slow, 100), (idle, 1000), (half_closed, 100)])
def test_others_are_answered_among_connections_that_only_cost(target: Target, nuisance: Nuisance, count: int):
    assert among(target, nuisance, count, questions=20) > 0
