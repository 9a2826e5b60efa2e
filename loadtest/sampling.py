"""A background thread that samples a value while a block runs."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def sampled(read: Callable[[], float], period: float) -> Iterator[list[tuple[float, float]]]:
    """Yield a list that grows by one sample each period.

    Args:
        read: Returns the value; called in another thread.
        period: Seconds between two samples.

    Yields:
        Samples of (seconds since the block began, value).
    """
    samples: list[tuple[float, float]] = []
    over, start = threading.Event(), time.monotonic()

    def sample() -> None:
        while not over.wait(period):
            samples.append((time.monotonic() - start, read()))

    thread = threading.Thread(target=sample, daemon=True)
    thread.start()
    try:
        yield samples
    finally:
        over.set()
        thread.join()
