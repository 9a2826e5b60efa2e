"""When a worker returns free memory to the system."""

from __future__ import annotations

import pytest

from vqaserve import memory


def test_a_worker_trims_after_many_batches_and_at_most_every_two_seconds(
    monkeypatch: pytest.MonkeyPatch,
):
    now, given = 100.0, []
    monkeypatch.setattr(memory.time, "monotonic", lambda: now)
    monkeypatch.setattr(memory, "trim", lambda: given.append(now))
    trimmer = memory.Trimmer()
    for batch in range(300):
        now = 100 + batch / 100
        trimmer.after_batch(100_000)
    assert given == [100.31, 102.31]


def test_lone_requests_rarely_wait_for_trimming(monkeypatch: pytest.MonkeyPatch):
    now, given = 0.0, []
    monkeypatch.setattr(memory.time, "monotonic", lambda: now)
    monkeypatch.setattr(memory, "trim", lambda: given.append(now))
    trimmer = memory.Trimmer()
    for batch in range(64):
        now = 10.0 * batch
        trimmer.after_batch(100_000)
    assert len(given) == 2


def test_a_worker_trims_at_once_after_a_batch_of_large_bodies(monkeypatch: pytest.MonkeyPatch):
    given: list[int] = []
    monkeypatch.setattr(memory, "trim", lambda: given.append(1))
    trimmer = memory.Trimmer()
    for size in (100, 20_000_000, 100, 17_000_000):
        trimmer.after_batch(size)
    assert len(given) == 2
