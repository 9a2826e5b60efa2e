from __future__ import annotations

from loadtest.faults.clients import CheckedRequest, summarise
from loadtest.faults.scenarios import ScenarioResult

QUICK, SLOW = CheckedRequest(10, 10.1), CheckedRequest(10.5, 12)
FAILED = CheckedRequest(11, 11.5, failure="http://127.0.0.1:1 answered 503: full")
LOST = CheckedRequest(20, 20.5, failure="http://127.0.0.1:1 does not answer")
WRONG = CheckedRequest(10, 10.1, wrong="'blue', not 'red'")


def test_failures_are_counted_by_status_and_lost_replies_as_no_answer():
    summary = summarise([QUICK, FAILED, FAILED, LOST], [])
    assert (summary.asked, summary.failed, summary.failures) == (4, 3, {"503": 2, "no answer": 1})


def test_recovery_counts_from_a_fault_to_the_last_request_that_was_not_good():
    assert summarise([QUICK, FAILED, SLOW], [11]).recovered == 1
    assert summarise([QUICK], [10]).recovered == 0


def test_the_recovery_time_of_two_faults_is_the_longer_one():
    assert summarise([FAILED, LOST], [11, 19]).recovered == 1.5


def test_a_promise_is_broken_by_a_wrong_answer_or_by_a_failure_in_spite_of_retries():
    good, failed, wrong = summarise([QUICK], []), summarise([FAILED], []), summarise([WRONG], [])
    assert ScenarioResult("fault", failed, good, "").kept
    assert not ScenarioResult("fault", good, failed, "").kept
    assert ScenarioResult("fault", good, failed, "", lasting=True).kept
    assert not ScenarioResult("fault", wrong, good, "", lasting=True).kept
