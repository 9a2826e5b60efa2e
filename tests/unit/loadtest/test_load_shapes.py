"""Users over time."""

from __future__ import annotations

import pytest

from loadtest.load_shapes import SHAPES

MOMENTS = [step / 100 for step in range(100)]


@pytest.mark.parametrize("name", SHAPES)
def test_a_shape_has_never_more_than_all_users_and_all_at_some_time(name: str):
    users = [SHAPES[name](moment, 80) for moment in MOMENTS]
    assert min(users) >= 0
    assert max(users) == pytest.approx(80, rel=0.02)


def test_a_ramp_grows_evenly():
    assert [SHAPES["ramp"](moment, 80) for moment in (0, 0.25, 0.5)] == [0, 20, 40]


def test_a_spike_comes_and_goes():
    assert [SHAPES["spike"](moment, 80) for moment in (0, 0.3, 0.34, 0.6, 0.7)] == [8, 8, 80, 80, 8]


def test_the_steps_shape_has_eight_rising_steps():
    users = [SHAPES["steps"](moment, 80) for moment in MOMENTS]
    assert sorted(set(users)) == [10, 20, 30, 40, 50, 60, 70, 80]
    assert users == sorted(users)


def test_a_soak_stays_up_after_a_gentle_start():
    users = [SHAPES["soak"](moment, 80) for moment in MOMENTS]
    assert users[0] == 0
    assert set(users[5:]) == {80}
