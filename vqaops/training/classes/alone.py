"""Threads of torch that compute alone.

Threads that share an operation wait for each other at its end, and burn CPU time while they do. With other work on the
processor's cores, two of them took ten times as long as one for the small steps of a head (2 cores, AMD EPYC).
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import torch


@contextmanager
def one_thread() -> Iterator[int]:
    """Let torch compute with one thread; yields the number of threads that it had, and has again afterwards."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield threads
    finally:
        torch.set_num_threads(threads)


@contextmanager
def workers() -> Iterator[ThreadPoolExecutor]:
    """As many threads as torch has, each of which computes alone; after an error, none begins anything more."""
    with one_thread() as threads:
        pool = ThreadPoolExecutor(threads, initializer=torch.set_num_threads, initargs=(1,))
        try:
            yield pool
        finally:
            pool.shutdown(cancel_futures=True)
