"""The folder that workers share holds whole values within its limit, and its faults never fail a request."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from vqaserve.sharing import SharedFolder


def age(folder: Path, *names: str) -> None:
    """Age files, the first the most: a file system's clock may be too coarse for a test."""
    for seconds, name in enumerate(names):
        os.utime(folder / name, (seconds, seconds))


def test_a_value_that_one_worker_puts_another_gets(tmp_path: Path):
    SharedFolder(tmp_path / "shared", 100).put("a", b"features")
    assert SharedFolder(tmp_path / "shared", 100).get("a") == b"features"
    assert SharedFolder(tmp_path / "shared", 100).get("b") is None


def test_the_least_recently_used_file_is_removed_first(tmp_path: Path):
    shared = SharedFolder(tmp_path, 100)
    shared.put("a", bytes(40))
    shared.put("b", bytes(40))
    age(tmp_path, "a", "b")
    assert shared.get("a")
    shared.put("c", bytes(40))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "c"]


def test_the_folder_stays_within_its_limit_whoever_writes(tmp_path: Path):
    workers = [SharedFolder(tmp_path, 1000), SharedFolder(tmp_path, 1000)]
    for number in range(100):
        workers[number % 2].put(str(number), bytes(30))
        assert sum(path.stat().st_size for path in tmp_path.iterdir()) <= 1000 * (1 + 2 / 8) + 60


def test_a_value_over_the_whole_limit_is_not_kept(tmp_path: Path):
    shared = SharedFolder(tmp_path, 10)
    shared.put("a", bytes(11))
    assert shared.get("a") is None


def test_a_folder_that_cannot_be_written_only_causes_misses(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    shared = SharedFolder(tmp_path / "shared", 100)
    (tmp_path / "shared").rmdir()
    shared.put("a", b"features")
    assert shared.get("a") is None
    assert "not shared" in caplog.text


def test_other_users_cannot_read_the_folder(tmp_path: Path):
    SharedFolder(tmp_path / "shared", 100).put("a", b"features")
    assert (tmp_path / "shared").stat().st_mode & 0o077 == 0
