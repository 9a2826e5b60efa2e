"""When a worker returns free memory to the system."""

from __future__ import annotations

import os
import subprocess
import sys
from threading import Event
from unittest.mock import Mock

import pytest

from vqaserve import memory

_LOADING = """
import ctypes
import numpy as np
from vqaserve.memory import loading

def is_in_heap(array):
    with open("/proc/self/maps") as maps:
        start, end = next(line.split()[0].split("-") for line in maps if "[heap]" in line)
    return int(start, 16) <= array.ctypes.data < int(end, 16)

before = np.ones(1_000_000, np.uint8)
with loading():
    weights = np.ones(1_000_000, np.uint8)
after = np.ones(1_000_000, np.uint8)
print(is_in_heap(before), is_in_heap(weights), is_in_heap(after))
"""


@pytest.fixture
def without_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    """No thread that trims at rest: it would outlive the test, and trim in the next one."""
    monkeypatch.setattr(memory, "Thread", Mock())


@pytest.mark.usefixtures("without_rest")
def test_a_worker_trims_after_many_batches_and_at_most_every_two_seconds(monkeypatch: pytest.MonkeyPatch):
    now, given = 100.0, []
    monkeypatch.setattr(memory.time, "monotonic", lambda: now)
    monkeypatch.setattr(memory, "trim", lambda: given.append(now))
    trimmer = memory.Trimmer()
    for batch in range(300):
        now = 100 + batch / 100
        trimmer.after_batch(100_000)
    assert given == [100.31, 102.31]


@pytest.mark.usefixtures("without_rest")
def test_lone_requests_rarely_wait_for_trimming(monkeypatch: pytest.MonkeyPatch):
    now, given = 0.0, []
    monkeypatch.setattr(memory.time, "monotonic", lambda: now)
    monkeypatch.setattr(memory, "trim", lambda: given.append(now))
    trimmer = memory.Trimmer()
    for batch in range(64):
        now = 10.0 * batch
        trimmer.after_batch(100_000)
    assert len(given) == 2


@pytest.mark.usefixtures("without_rest")
def test_a_worker_trims_at_once_after_a_batch_of_large_bodies(monkeypatch: pytest.MonkeyPatch):
    given: list[int] = []
    monkeypatch.setattr(memory, "trim", lambda: given.append(1))
    trimmer = memory.Trimmer()
    for size in (100, 20_000_000, 100, 17_000_000):
        trimmer.after_batch(size)
    assert len(given) == 2


def test_a_worker_trims_each_time_it_comes_to_rest(monkeypatch: pytest.MonkeyPatch):
    trimmed = Event()
    monkeypatch.setattr(memory, "_REST", 0.01)
    monkeypatch.setattr(memory, "trim", trimmed.set)
    trimmer = memory.Trimmer()
    for _ in range(2):
        trimmed.clear()
        trimmer.after_batch(100)
        assert trimmed.wait(60)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc and tells glibc")
def test_weights_leave_no_gaps_in_the_heap_that_batches_use():
    environment = {**os.environ, "MALLOC_MMAP_THRESHOLD_": str(2**30), "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", _LOADING]
    found = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert found.stdout.split() == ["True", "False", "True"]
