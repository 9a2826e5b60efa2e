"""The controller on synthetic series: one observation changes nothing, and a change is not undone at once."""

from __future__ import annotations

from collections.abc import Sequence

from vqaops.rollout.autoscale import Observation, ScalingController, ScalingRule

RULE = ScalingRule(least=1, most=4, queue_seconds=0.1, busy=0.6, up_after=2, down_after=3, rest=2)
CALM = {"pending": 0, "waited": 0.0, "busy": 0.05}
PRESSED = {"pending": 20, "waited": 0.5, "busy": 0.95}


def followed(looks: Sequence[dict[str, float]], workers: int = 1, rule: ScalingRule = RULE) -> list[int]:
    """The number of workers after each observation, if decisions take effect at once."""
    controller, counts = ScalingController(rule), []
    for look in looks:
        controller, decision = controller.decide(Observation(workers=workers, ready=workers, **look))  # type: ignore[arg-type]
        workers = decision.workers if decision else workers
        counts.append(workers)
    return counts


def test_one_long_wait_changes_nothing_and_two_in_a_row_add_a_worker():
    assert followed([PRESSED, CALM, PRESSED, CALM]) == [1, 1, 1, 1]
    assert followed([PRESSED, PRESSED]) == [1, 2]


def test_a_change_is_followed_by_a_pause():
    assert followed([PRESSED] * 6) == [1, 2, 2, 2, 2, 3]


def test_the_number_of_workers_stays_between_minimum_and_maximum():
    assert max(followed([PRESSED] * 40)) == 4
    assert min(followed([CALM] * 40, workers=4)) == 1


def test_workers_outside_the_bounds_are_brought_inside_at_once():
    assert followed([CALM], workers=9) == [4]
    assert followed([CALM], workers=1, rule=ScalingRule(least=2, most=4)) == [2]


def test_removing_a_worker_takes_more_checks_than_adding_one():
    assert followed([CALM] * 3, workers=2) == [2, 2, 1]
    assert followed([CALM, CALM, PRESSED, CALM, CALM], workers=2) == [2, 2, 2, 2, 2]


def test_between_the_two_bounds_nothing_happens():
    between = {"pending": 0, "waited": 0.06, "busy": 0.3}
    assert followed([between] * 20, workers=2) == [2] * 20


def test_busy_workers_are_kept_while_the_queue_is_empty():
    enough = {"pending": 0, "waited": 0.0, "busy": 0.4}  # of two workers; one alone would be 80 % busy
    assert followed([enough] * 20, workers=2) == [2] * 20


def test_while_a_worker_is_starting_nothing_is_decided():
    controller, decision = ScalingController(RULE, high=1).decide(
        Observation(workers=2, ready=1, pending=9, waited=2, busy=1)
    )
    assert decision is None
    assert controller.high == 0


def test_a_load_that_swings_about_the_bound_makes_no_worker_come_and_go():
    assert followed([PRESSED, CALM, CALM] * 20, workers=2) == [2] * 60


def test_the_reason_names_what_was_measured_and_what_is_allowed():
    controller, _ = ScalingController(RULE).decide(Observation(1, 1, 20, 0.5, 0.95))
    _, decision = controller.decide(Observation(1, 1, 20, 0.5, 0.95))
    assert decision is not None
    assert decision.reason == "requests waited 500 ms, over the 100 ms allowed"
