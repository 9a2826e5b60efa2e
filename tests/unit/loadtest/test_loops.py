from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from itertools import cycle, islice

import pytest
from gevent import sleep
from gevent.pywsgi import WSGIServer

from loadtest.fast_client import FastClient
from loadtest.loops import closed_loop, open_loop, poisson_times
from loadtest.pairs import PairRequest, all_pairs

REQUESTS = [PairRequest(pair, pair.picture) for pair in all_pairs([b"\xff\xd8"], ("one?", "two?"))]
STALL = 0.05  # s


def answer_slowly(environ, respond):
    sleep(STALL)
    form = environ["wsgi.input"].read()
    respond("200 OK", [("Content-Type", "application/json")])
    return [json.dumps({"answer": "1" if b"one?" in form else "2"}).encode()]


@pytest.fixture
def client_of() -> Iterator[Callable[..., FastClient]]:
    servers, clients = [], []

    def make(application, connections: int) -> FastClient:
        servers.append(WSGIServer(("127.0.0.1", 0), application, log=None))
        servers[-1].start()
        clients.append(FastClient(f"http://127.0.0.1:{servers[-1].server_port}", "token", "model", connections))
        return clients[-1]

    yield make
    for client in clients:
        client.close()
    for server in servers:
        server.stop()


def test_a_closed_loop_sends_its_streams_and_waits_for_each_answer(client_of):
    replies = closed_loop(client_of(answer_slowly, 2), [islice(cycle(REQUESTS), 3) for _ in range(2)], 60)
    assert [reply.status for reply in replies] == [200] * 6
    assert sorted(reply.pair for reply in replies) == [0, 0, 0, 0, 1, 1]
    assert all(json.loads(reply.body)["answer"] == str(1 + reply.pair) for reply in replies)
    assert min(reply.latency for reply in replies) >= STALL


def test_a_closed_loop_sends_nothing_after_its_time(client_of):
    assert len(closed_loop(client_of(answer_slowly, 1), [cycle(REQUESTS)], 1.5 * STALL)) == 2


def test_an_open_loops_latency_counts_from_when_a_request_was_due(client_of):
    # Ten requests are due at once on a single connection: the last waits for all others. Measured from when each was
    # sent, all latencies would be equally short.
    due = poisson_times(rate=1e6, seconds=1e-5)
    replies = open_loop(client_of(answer_slowly, 1), cycle(REQUESTS), due)
    assert len(replies) == 10
    assert max(reply.latency for reply in replies) >= 10 * STALL


def test_an_open_loop_drops_requests_that_are_due_while_too_many_are_open(client_of):
    replies = open_loop(client_of(answer_slowly, 9), cycle(REQUESTS), [0.0] * 5, most_open=2)
    assert [reply.status for reply in replies] == [200, 200]


def test_a_server_that_is_gone_gives_status_0_and_the_reason(client_of):
    client = client_of(answer_slowly, 1)
    gone = FastClient("http://127.0.0.1:1", "token", "model", 1)
    (reply,) = closed_loop(gone, [islice(cycle(REQUESTS), 1)], 60)
    assert reply.status == 0
    assert b"refused" in reply.body
    assert client.send(REQUESTS[0])[0] == 200
