"""What a worker holds of the machine's memory."""

from __future__ import annotations

import ctypes
import logging
import time

log = logging.getLogger(__name__)

_BATCHES, _SECONDS = 32, 2.0
"""After both, a worker gives free memory back: it costs the next batch some milliseconds."""


class Trimmer:
    """Gives free memory back now and then, called after each batch.

    Batches of different sizes leave gaps between what is kept: `rooms` would come to hold 50 MB that it does not use.
    """

    def __init__(self) -> None:
        self._batches, self._due = 0, 0.0

    def after_batch(self) -> None:
        """Count a batch, and trim if it is time."""
        self._batches += 1
        now = time.monotonic()
        if self._batches >= _BATCHES and now >= self._due:
            self._batches, self._due = 0, now + _SECONDS
            trim()


def trim() -> None:
    """Return memory that is free to the system, once loading is done and now and then.

    Loading passes through two copies of the weights and more. The server tells glibc to keep what is freed for the next
    batch (``ALLOCATOR`` in vqaops/server/server.py), and would so keep those too. Other C libraries need nothing.
    """
    try:
        ctypes.CDLL(None).malloc_trim(0)
    except AttributeError:
        log.info("this C library gives free memory back by itself")
