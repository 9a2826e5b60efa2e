"""Returning a worker's free memory to the system."""

from __future__ import annotations

import ctypes
import logging
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event, Thread

log = logging.getLogger(__name__)

_THRESHOLD = "MALLOC_MMAP_THRESHOLD_"
"""The variable with the size from which glibc gives a block pages of its own (``ALLOCATOR`` in
vqaops/server/java_command.py)."""
_M_MMAP_THRESHOLD, _USUAL_THRESHOLD = -3, 2**17  # as malloc.h names it; glibc's default, in bytes

_BATCHES, _SECONDS = 32, 2.0
"""A worker trims after so many batches and at most every so many seconds: trimming delays the next batch by some
milliseconds."""
_LARGE = 16_000_000
"""Bytes of a batch after which a worker trims at once: it holds several times as much, and the next batch may be hours
away."""
_REST = 60.0
"""Seconds without a batch after which a worker trims. The next batch takes the memory again, which costs it some
milliseconds."""


class Trimmer:
    """Trims a worker's memory now and then, and when it has nothing to do.

    Batches of different sizes leave gaps in the heap; without trimming, `rooms` would hold 50 MB that it does not use.
    """

    def __init__(self) -> None:
        """Start the thread that trims at rest."""
        self._batches, self._due, self._latest = 0, 0.0, 0.0
        self._is_used = Event()
        Thread(target=self._trim_at_rest, name="trimmer", daemon=True).start()

    def after_batch(self, size: int) -> None:
        """Count a batch, and trim if it is time.

        Args:
            size: Bytes of the batch's bodies, which must be free by now.
        """
        self._batches += 1
        self._latest = now = time.monotonic()
        self._is_used.set()
        if size >= _LARGE or (self._batches >= _BATCHES and now >= self._due):
            self._batches, self._due = 0, now + _SECONDS
            trim()

    def _trim_at_rest(self) -> None:
        while self._is_used.wait():
            self._is_used.clear()
            # The thread sleeps instead of waiting for the next batch, since a busy worker would wake it at each one.
            while (left := self._latest + _REST - time.monotonic()) > 0:
                time.sleep(left)
            trim()


@contextmanager
def loading() -> Iterator[None]:
    """Load a model in the ``with`` block without leaving gaps in the heap.

    A model is read, converted and packed, and each step frees what the step before has made. Between the weights that
    leaves gaps, which no large block of a batch fits into: `rooms` would hold 44 MB more. Meanwhile large blocks get
    pages of their own, which are free as soon as the block is. Afterwards the server's threshold holds again.
    """
    given = os.environ.get(_THRESHOLD, "")
    if given.isdecimal():
        _set_threshold(_USUAL_THRESHOLD)
    try:
        yield
    finally:
        if given.isdecimal():
            _set_threshold(int(given))
        trim()


def _set_threshold(size: int) -> None:
    try:
        ctypes.CDLL(None).mallopt(_M_MMAP_THRESHOLD, min(size, 2**31 - 1))  # an int
    except AttributeError:
        log.info("this C library has no mallopt; loading may leave gaps in the heap")


def trim() -> None:
    """Return free memory to the system.

    The server tells glibc to keep freed memory for the next batch. Other C libraries return memory by themselves.
    """
    try:
        ctypes.CDLL(None).malloc_trim(0)
    except AttributeError:
        log.info("this C library has no malloc_trim; it returns free memory by itself")
