from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from itertools import islice

import psutil
import pytest
from gevent import sleep
from gevent.pywsgi import WSGIServer

from loadtest.bench.caller import Caller
from loadtest.bench.floor import Expected
from loadtest.bench.loops import closed, open_loop
from loadtest.bench.mixes import all_pairs, unique
from vqaserve.types import Answer

PAIRS = all_pairs([b"\xff\xd8"], ("one?", "two?"))
EXPECTED = Expected([[Answer("1", 0.9), Answer("one", 0.89), Answer("2", 0.1)], [Answer("2", 0.8)]])
STALL = 0.05  # s
ITSELF = psutil.Process()


def answering(environ, respond):
    sleep(STALL)
    form = environ["wsgi.input"].read()
    respond("200 OK", [("Content-Type", "application/json")])
    return [json.dumps({"answer": "1" if b"one?" in form else "2"}).encode()]


def mixed_up(environ, respond):
    environ["wsgi.input"].read()
    respond("200 OK", [])
    return [b'{"answer": "2"}']


def nearly_as_good(environ, respond):
    environ["wsgi.input"].read()
    respond("200 OK", [])
    return [b'{"answer": "one"}']


def full(environ, respond):
    environ["wsgi.input"].read()
    respond("503 Service Unavailable", [])
    return [b"{}"]


@pytest.fixture
def caller_of() -> Iterator[Callable[..., Caller]]:
    servers, callers = [], []

    def make(application, connections: int) -> Caller:
        servers.append(WSGIServer(("127.0.0.1", 0), application, log=None))
        servers[-1].start()
        callers.append(Caller(f"http://127.0.0.1:{servers[-1].server_port}", "key", "model", connections))
        return callers[-1]

    yield make
    for caller in callers:
        caller.close()
    for server in servers:
        server.stop()


def test_a_closed_loop_asks_what_it_was_given_and_counts_right_answers(caller_of):
    turn = closed(caller_of(answering, 2), ITSELF, [islice(unique(PAIRS), 3) for _ in range(2)], 60, EXPECTED.judge)
    assert (turn.answers, turn.wrong, turn.ties, turn.refused) == (6, 0, 0, {})
    assert min(turn.latencies) >= STALL


def test_another_pairs_answer_is_wrong_and_no_answer_counts_for_speed(caller_of):
    turn = closed(caller_of(mixed_up, 1), ITSELF, [islice(unique(PAIRS), 4)], 60, EXPECTED.judge)
    assert (turn.answers, turn.wrong) == (2, 2)
    assert len(turn.latencies) == 2


def test_an_answer_as_good_as_the_floors_own_is_a_tie(caller_of):
    turn = closed(caller_of(nearly_as_good, 1), ITSELF, [islice(unique(PAIRS[:1]), 1)], 60, EXPECTED.judge)
    assert (turn.answers, turn.ties, turn.wrong) == (1, 1, 0)


def test_a_refusal_is_counted_by_its_status_and_is_no_answer(caller_of):
    turn = closed(caller_of(full, 1), ITSELF, [islice(unique(PAIRS), 3)], 60, EXPECTED.judge)
    assert (turn.answers, turn.refused) == (0, {503: 3})


def test_an_open_loops_latency_counts_from_when_a_request_was_due(caller_of):
    # Ten are due at once and a single connection takes them one after the other, so the last waits for all of them; a
    # clock that starts when a request is sent would say the same short time for each.
    turn = open_loop(caller_of(answering, 1), ITSELF, unique(PAIRS), rate=1e6, seconds=1e-5, judge=EXPECTED.judge)
    assert turn.answers == 10
    assert max(turn.latencies) >= 10 * STALL
