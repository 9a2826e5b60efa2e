"""What clients see when something breaks; `make chaos` runs all scenarios."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from loadtest.faults.scenarios import SCENARIOS, ScenarioResult, ScenarioSkipped, worker_killed


@pytest.fixture
def run(run_folder: Callable[[], Path], untried: None) -> Callable[..., ScenarioResult]:
    """Runs a scenario and checks what holds for all: both clients asked, and no answer was wrong."""

    def run_checked(scenario: Callable[..., ScenarioResult], **options: int) -> ScenarioResult:
        try:
            result = scenario(run_folder(), **options)
        except ScenarioSkipped as reason:
            pytest.skip(str(reason))
        assert result.plain.asked > 20
        assert result.retrying.asked > 20
        assert (result.plain.wrong, result.retrying.wrong) == ((), ())
        assert result.kept
        return result

    return run_checked


def test_killed_workers_fail_no_retried_request(run: Callable[..., ScenarioResult]):
    assert run(worker_killed, kills=2).retrying.failures == {}


def test_a_worker_that_hangs_fails_its_own_batch_and_no_retried_request(run: Callable[..., ScenarioResult]):
    result = run(SCENARIOS["worker-hangs"])
    assert set(result.plain.failures) <= {"500"}
    assert result.retrying.failures == {}
    assert "did not respond" in result.operator_message


def test_a_client_that_retries_survives_a_restart_of_java(run: Callable[..., ScenarioResult]):
    result = run(SCENARIOS["java-killed"])
    assert result.plain.failures["no answer"] > 0
    assert result.retrying.failures == {}


def test_a_full_disk_stops_no_answers(run: Callable[..., ScenarioResult]):
    assert set(run(SCENARIOS["disk-full"]).plain.failures) <= {"507", "500"}  # of the workers that are killed


def test_a_version_that_fails_one_time_in_ten_fails_no_request_after_the_rollback(run: Callable[..., ScenarioResult]):
    result = run(SCENARIOS["raises-one-in-ten"])
    assert {*result.plain.failures, *result.retrying.failures} == {"500"}  # only the requests that fail alone too
    assert result.plain.failed < result.plain.asked / 10
    assert "one in ten" in result.operator_message
