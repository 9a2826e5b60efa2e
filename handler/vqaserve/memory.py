"""Returning a worker's free memory to the system."""

from __future__ import annotations

import ctypes
import logging
import time

log = logging.getLogger(__name__)

_BATCHES, _SECONDS = 32, 2.0
"""A worker trims after so many batches and at most every so many seconds: trimming delays the next batch by some
milliseconds."""
_LARGE = 16_000_000
"""Bytes of a batch after which a worker trims at once: it holds several times as much, and the next batch may be hours
away."""


class Trimmer:
    """Trims a worker's memory now and then.

    Batches of different sizes leave gaps in the heap; without trimming, `rooms` would hold 50 MB that it does not use.
    """

    def __init__(self) -> None:
        self._batches, self._due = 0, 0.0

    def after_batch(self, size: int) -> None:
        """Count a batch, and trim if it is time.

        Args:
            size: Bytes of the batch's bodies, which must be free by now.
        """
        self._batches += 1
        now = time.monotonic()
        if size >= _LARGE or (self._batches >= _BATCHES and now >= self._due):
            self._batches, self._due = 0, now + _SECONDS
            trim()


def trim() -> None:
    """Return free memory to the system.

    The server tells glibc to keep freed memory for the next batch (``ALLOCATOR`` in vqaops/server/java_command.py).
    After loading, that would include a second copy of the weights. Other C libraries return memory by themselves.
    """
    try:
        ctypes.CDLL(None).malloc_trim(0)
    except AttributeError:
        log.info("this C library has no malloc_trim; it returns free memory by itself")
