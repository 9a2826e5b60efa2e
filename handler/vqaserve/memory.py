"""What a worker holds of the machine's memory."""

from __future__ import annotations

import ctypes
import logging

log = logging.getLogger(__name__)


def give_back() -> None:
    """Return memory that is free to the system, once loading is done and now and then.

    Loading passes through two copies of the weights and more. The server tells glibc to keep what is freed for the next
    batch (``ALLOCATOR`` in scripts/server.py), and would so keep those too. Another C library has nothing to be told.
    """
    try:
        ctypes.CDLL(None).malloc_trim(0)
    except AttributeError:
        log.info("this C library gives free memory back by itself")
