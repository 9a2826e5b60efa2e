"""Waiting for what another process does."""

from __future__ import annotations

import time
from collections.abc import Callable


def until(reached: Callable[[], bool], what: str, seconds: float = 90) -> None:
    """Wait for something, and say what did not happen if it takes too long."""
    deadline = time.monotonic() + seconds
    while not reached():
        assert time.monotonic() < deadline, what
        time.sleep(0.05)
