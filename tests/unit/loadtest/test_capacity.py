from __future__ import annotations

import pytest

from loadtest.capacity import highest_kept


@pytest.mark.parametrize(("limit", "found"), [(9, 9), (40, 40), (70, 70), (200, 200)])
def test_the_search_may_begin_at_any_rate(limit: int, found: int):
    assert highest_kept(lambda rate: rate <= limit, most=500, halvings=9, first=40) == found


@pytest.mark.parametrize(
    ("limit", "halvings", "found"), [(0, 3, 0), (1, 3, 1), (100, 3, 96), (100, 9, 100), (900, 3, 470)]
)
def test_the_highest_kept_rate_is_found_by_doubling_and_halving(limit: int, halvings: int, found: int):
    assert highest_kept(lambda rate: rate <= limit, most=500, halvings=halvings) == found
