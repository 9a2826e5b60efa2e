from __future__ import annotations

import psutil

from loadtest.bench.floor import ExpectedAnswers
from loadtest.bench.load_generator import measure_loop
from loadtest.bench.results import Measurement
from loadtest.loops import TimedReply
from vqaserve.types import Answer

EXPECTED = ExpectedAnswers([[Answer("1", 0.9), Answer("one", 0.89), Answer("2", 0.1)], [Answer("2", 0.8)]])


def measured(*replies: TimedReply) -> Measurement:
    return measure_loop(lambda: list(replies), psutil.Process(), EXPECTED.judge)


def reply(pair: int, answer: str, latency: float = 0.5) -> TimedReply:
    return TimedReply(pair, 1.0, 1.25, 1.0 + latency, 200, f'{{"answer": "{answer}"}}'.encode())


def test_right_answers_are_counted_with_their_latencies():
    found = measured(reply(0, "1", 0.5), reply(1, "2", 0.25))
    assert (found.answers, found.wrong, found.ties, found.refused) == (2, 0, 0, {})
    assert found.latencies == [0.5, 0.25]


def test_another_pairs_answer_is_wrong_and_counts_for_no_speed():
    found = measured(reply(0, "2"), reply(1, "2"))
    assert (found.answers, found.wrong, len(found.latencies)) == (1, 1, 1)


def test_an_answer_that_the_floor_scores_as_high_is_a_tie():
    found = measured(reply(0, "one"))
    assert (found.answers, found.ties, found.wrong) == (1, 1, 0)


def test_a_refusal_is_counted_by_its_status_and_is_no_answer():
    found = measured(*[TimedReply(0, 0.0, 0.0, 1.0, 503, b"{}")] * 3)
    assert (found.answers, found.refused) == (0, {503: 3})
