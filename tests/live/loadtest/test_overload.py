"""A few seconds of ten times the capacity, and costly connections; `make overload` takes a minute and measures."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from loadtest.overload.connections import CostlyConnection, half_closed, idle, p95_among, slow
from loadtest.overload.flood import flood
from loadtest.overload.targets import OverloadTarget, slow_target
from tests.support.archives import without_trying


@pytest.fixture(scope="module")
def target(run_folder: Callable[[], Path]) -> Iterator[OverloadTarget]:
    with without_trying(), slow_target(run_folder()) as one:
        yield one


def test_ten_times_the_capacity_is_answered_or_refused_and_nothing_else(target: OverloadTarget):
    result = flood(target, times=10, seconds=6)
    assert result.others == {}
    assert result.wrong == 0
    assert result.accepted > 0
    assert result.refused > result.accepted
    assert result.accepted + result.refused + result.unsent >= 6 * 9 * result.capacity


@pytest.mark.parametrize(("kind", "count"), [(slow, 100), (idle, 1000), (half_closed, 100)])
def test_a_normal_client_is_answered_among_costly_connections(
    target: OverloadTarget, kind: CostlyConnection, count: int
):
    assert p95_among(target, kind, count, questions=20) > 0
