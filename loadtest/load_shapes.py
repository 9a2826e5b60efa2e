"""Number of users over time. ``--shape`` chooses, ``--users`` is the maximum, ``--run-time`` the length."""

from __future__ import annotations

import math
from collections.abc import Callable

STEPS = 8


def steady(passed: float, users: int) -> float:
    """All users, all the time."""
    del passed
    return users


def ramp(passed: float, users: int) -> float:
    """A linear rise to all users."""
    return users * passed


def spike(passed: float, users: int) -> float:
    """A tenth of the users, and all of them in the middle third."""
    return users if 1 / 3 <= passed < 2 / 3 else users / 10


def soak(passed: float, users: int) -> float:
    """All users after a short rise, for runs long enough to show leaks: ``--run-time 8h``."""
    return users * min(1.0, 20 * passed)


def steps(passed: float, users: int) -> float:
    """A rise in eight equal steps, each long enough to show in the plot."""
    return users * (math.floor(STEPS * passed) + 1) / STEPS


SHAPES: dict[str, Callable[[float, int], float]] = {one.__name__: one for one in (steady, ramp, spike, soak, steps)}
"""Functions of the share of the run time that has passed, in [0, 1), and of the maximum number of users."""
