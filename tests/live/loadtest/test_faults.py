"""What clients see when something breaks; `make chaos` plays all faults."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from loadtest.faults.scenarios import FAULTS, Row, Skipped, worker_killed


@pytest.fixture
def play(run_folder: Callable[[], Path]) -> Callable[..., Row]:
    """Plays a fault and checks what holds for all: both clients asked, and no answer was wrong."""

    def run(fault: Callable[..., Row], **options: int) -> Row:
        try:
            row = fault(run_folder(), **options)
        except Skipped as reason:
            pytest.skip(str(reason))
        assert row.plain.asked > 20
        assert row.retrying.asked > 20
        assert (row.plain.wrong, row.retrying.wrong) == ((), ())
        assert row.kept
        return row

    return run


def test_killed_workers_cost_a_client_that_asks_again_nothing(play: Callable[..., Row]):
    assert play(worker_killed, kills=2).retrying.failures == {}


def test_a_worker_that_hangs_costs_its_own_batch_and_nobody_who_asks_again(play: Callable[..., Row]):
    row = play(FAULTS["worker-hangs"])
    assert set(row.plain.failures) <= {"500"}
    assert row.retrying.failures == {}
    assert "did not respond" in row.told


def test_a_client_that_asks_again_outlives_java(play: Callable[..., Row]):
    row = play(FAULTS["java-killed"])
    assert row.plain.failures["no answer"] > 0
    assert row.retrying.failures == {}


def test_a_full_disk_stops_no_answers(play: Callable[..., Row]):
    assert set(play(FAULTS["disk-full"]).plain.failures) <= {"507", "500"}  # of the workers that are killed


def test_a_version_that_fails_one_time_in_ten_fails_no_more_after_the_rollback(play: Callable[..., Row]):
    row = play(FAULTS["raises-one-in-ten"])
    assert {*row.plain.failures, *row.retrying.failures} == {"500"}  # of a batch only what fails alone, too
    assert row.plain.failed < row.plain.asked / 10
    assert "one in ten" in row.told
