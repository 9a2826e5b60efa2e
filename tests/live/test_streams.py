"""Streams in a real TorchServe: several in one batch, with plain requests, and clients that go away."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Event

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.support.gateways import RunningGateway
from tests.support.scribes import events, text_of
from tests.support.writers import LONGEST, messages
from vqaops.server.server import Server

PATH = "/predictions/writer/1.0.0/v1/chat/completions"


@pytest.fixture(scope="module")
def client(writing_server: Server) -> Iterator[httpx.Client]:
    server = writing_server.client
    with httpx.Client(
        base_url=server.addresses.inference, headers=server.header("inference"), timeout=60, trust_env=False
    ) as client:
        yield client


def chat(tokens: int, question: str = "what?", **fields: object) -> dict:
    asked = {"model": "writer", "messages": messages(question), "max_tokens": tokens, "stream": True}
    return {**asked, "stream_options": {"include_usage": True}, **fields}


def read(client: httpx.Client, body: dict, begun: Callable[[], object] = lambda: None) -> list:
    with client.stream("POST", PATH, json=body) as reply:
        assert reply.status_code == 200, reply.read()
        pieces = []
        for piece in reply.iter_raw():
            begun()
            pieces.append(piece)
    return events(pieces)


def completion_tokens(told: list) -> int:
    return told[-2]["usage"]["completion_tokens"]


def test_streams_of_unequal_lengths_and_plain_requests_share_batches(client: httpx.Client):
    """While the first stream keeps the worker busy, the others queue and become one batch."""
    begun = Event()
    lengths = [3, 60, 7, 30]
    with ThreadPoolExecutor(8) as threads:
        first = threads.submit(read, client, chat(LONGEST, "first?"), begun.set)
        assert begun.wait(60)
        streams = [threads.submit(read, client, chat(length, f"stream {length}?")) for length in lengths]
        plain = [
            threads.submit(client.post, PATH, json=chat(length, f"plain {length}?", stream=False, stream_options=None))
            for length in lengths[:3]
        ]
        assert first.result()[-1] == "[DONE]"
        told = [stream.result() for stream in streams]
        replies = [reply.result() for reply in plain]
    assert all(one[-1] == "[DONE]" for one in told)
    assert all(reply.status_code == 200 for reply in replies)
    for length, one in zip(lengths, told, strict=True):
        alone = client.post(PATH, json=chat(length, f"stream {length}?", stream=False, stream_options=None)).json()
        assert text_of(one) == alone["choices"][0]["message"]["content"]
        assert completion_tokens(one) == alone["usage"]["completion_tokens"]


def test_a_client_that_goes_away_harms_no_other(client: httpx.Client):
    begun = Event()
    with ThreadPoolExecutor(2) as threads:
        with client.stream("POST", PATH, json=chat(LONGEST, "gone?")) as reply:
            next(reply.iter_raw())
            other = threads.submit(read, client, chat(5, "stays?"), begun.set)
        assert completion_tokens(other.result()) == 5
    assert completion_tokens(read(client, chat(4, "after?"))) == 4


def test_a_connection_carries_one_stream_after_another(client: httpx.Client):
    for length in (2, 9, 3):
        assert completion_tokens(read(client, chat(length, f"again {length}?"))) == length


@pytest.mark.parametrize(
    ("fields", "status", "kind"),
    [
        ({"messages": [{"role": "user", "content": "what?"}]}, 422, "MissingImage"),
        ({"max_tokens": 10 * LONGEST}, 422, "InvalidParameter"),
        ({"stream": "maybe"}, 400, "BadRequest"),
    ],
)
def test_an_error_before_the_stream_has_its_own_status(client: httpx.Client, fields: dict, status: int, kind: str):
    reply = client.post(PATH, json={**chat(5), **fields})
    assert (reply.status_code, reply.json()["error"]["type"]) == (status, kind)
    assert reply.headers["content-type"] == "application/json"


def test_the_gateway_hides_torchserves_header_and_asks_proxies_not_to_buffer(writing_gateway: RunningGateway):
    with writing_gateway.client() as client, client.stream("POST", "/v1/chat/completions", json=chat(9)) as reply:
        told = events(reply.iter_raw())
    assert completion_tokens(told) == 9
    assert reply.headers["content-type"] == "text/event-stream; charset=utf-8"
    assert reply.headers["x-accel-buffering"] == "no"
    assert "ts_stream_next" not in reply.headers


def test_the_metrics_count_first_texts_and_tokens(writing_server: Server, client: httpx.Client):
    def read_metrics() -> dict[tuple[str, str], float]:
        server = writing_server.client
        text = client.get(f"{writing_server.properties['metrics_address']}/metrics", headers=server.header("inference"))
        return {
            (sample.name, sample.labels.get("kind", "")): sample.value
            for family in text_string_to_metric_families(text.text)
            for sample in family.samples
            if sample.labels.get("model_name") == "writer"
        }

    before = read_metrics()
    read(client, chat(11, "metrics?"))
    grown = {("vqa_first_text_seconds_count", ""): 1.0, ("vqa_tokens_total", "completion"): 11.0}
    deadline = time.monotonic() + 30
    while True:  # TorchServe reads a worker's lines one by one, in its time
        after = read_metrics()
        found = {key: after.get(key, 0) - before.get(key, 0) for key in grown}
        if found == grown:
            return
        assert time.monotonic() < deadline, found
