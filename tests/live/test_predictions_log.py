"""The prediction log and the ids of requests, in a real server."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from tests.support.pictures import encoded
from tests.support.recipes import RecipeMaker
from tests.support.waiting import until
from vqaops.server.server import Server

HANDLER = """\
  prediction_log: {enabled: true, question: text}
  limits: {max_question_chars: 300000}
"""
SECONDS = 60


@pytest.fixture(scope="module")
def server(serve: Callable[..., Server], make_recipe: RecipeMaker) -> Server:
    return serve(make_recipe(handler=HANDLER))


def ask(server: Server, question: str, **headers: str) -> httpx.Response:
    client = server.client
    return client.http.post(
        f"{client.addresses.inference}/predictions/dummy",
        headers={**client.header("inference"), **headers},
        files={"image": encoded()},
        data={"question": question, "top_k": "20"},
    )


def written(server: Server) -> list[dict[str, Any]]:
    parts = (server.run / "predictions" / "dummy").glob("*.jsonl")
    return [json.loads(line) for part in parts for line in part.read_text(encoding="utf-8").splitlines()]


def test_a_request_is_found_by_torchserves_id_and_by_the_clients(server: Server):
    reply = ask(server, "what?", **{"X-Request-Id": "order-17\x1b[31m"})
    until(lambda: bool(written(server)), "the answer is logged", SECONDS)
    (line,) = written(server)
    assert line["request_id"] == reply.headers["x-request-id"]
    assert line["client_request_id"] == "order-17??31m"
    assert line["answer"] == reply.json()["answer"]


def test_the_workers_log_names_both_ids_of_a_request_that_failed(server: Server):
    reply = ask(server, "x" * 250_000, **{"X-Request-Id": "order-18"})  # echoed twenty times: too long a reply
    assert (reply.status_code, reply.json()["type"]) == (500, "InternalError")
    log = server.run / "logs" / "model.log"
    named = f"request {reply.headers['x-request-id']} (client's order-18) failed"
    until(lambda: named in log.read_text(encoding="utf-8"), "the error is logged", SECONDS)


def test_no_line_is_lost_when_the_server_is_stopped_under_load(server: Server):
    answered: list[str] = []

    def ask_until_it_ends() -> None:
        for number in range(1_000_000):
            try:
                reply = ask(server, f"question {number}?")
            except (httpx.TransportError, OSError):
                return
            if reply.status_code != 200:
                return
            answered.append(reply.headers["x-request-id"])

    threads = [threading.Thread(target=ask_until_it_ends) for _ in range(8)]
    for thread in threads:
        thread.start()
    until(lambda: len(answered) > 300, "300 requests are answered", SECONDS)
    assert server.stop()
    for thread in threads:
        thread.join(SECONDS)
    assert set(answered) <= {line["request_id"] for line in written(server)}
