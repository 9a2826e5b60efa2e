"""How many users there are at each moment; ``--shape`` chooses, ``--users`` is the most, ``--run-time`` the length."""

from __future__ import annotations

import math
from collections.abc import Callable

STEPS = 8


def steady(passed: float, users: int) -> float:
    """All users, all the time."""
    del passed
    return users


def ramp(passed: float, users: int) -> float:
    """From one user to all, evenly."""
    return users * passed


def spike(passed: float, users: int) -> float:
    """A tenth of the users, but all of them in the middle third."""
    return users if 1 / 3 <= passed < 2 / 3 else users / 10


def soak(passed: float, users: int) -> float:
    """All users after a gentle start, for as long as it takes for what leaks to show: ``--run-time 8h``."""
    return users * min(1.0, 20 * passed)


def steps(passed: float, users: int) -> float:
    """Eight equal steps up, each long enough to be seen in the plot."""
    return users * (math.floor(STEPS * passed) + 1) / STEPS


SHAPES: dict[str, Callable[[float, int], float]] = {one.__name__: one for one in (steady, ramp, spike, soak, steps)}
"""Users at a moment, of all users; the moment is the share of the run time that has passed, in [0, 1)."""
