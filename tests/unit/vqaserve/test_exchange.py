"""A request becomes items in its own wire format, and finished items become its reply."""

from __future__ import annotations

import json

import pytest

from vqaserve import exchange
from vqaserve.exchange import Exchange
from vqaserve.protocols import PROTOCOLS, find_protocol
from vqaserve.settings import HandlerSettings
from vqaserve.types import UNREADABLE, Item, Model, Query, Ranking, Request

SETTINGS = HandlerSettings(version="1.0.0", family="dummy")


def test_a_request_is_read_into_one_item_for_each_question():
    parsed = Exchange.parse(Request("id", {"body": b'{"image": "YQ==", "questions": ["a", "b"]}'}), SETTINGS)
    assert [item.query for item in parsed.items] == [Query(b"a", "a"), Query(b"a", "b")]
    assert parsed.refused is None


def test_a_body_that_is_not_json_is_refused_in_the_format_of_its_route():
    request = Request("id", {"body": b"{"}, {"url_path": "v1/chat/completions"})
    parsed = Exchange.parse(request, SETTINGS)
    assert parsed.items == ()
    reply = parsed.reply(Model("m", "1.0.0"))
    assert (reply.status, parsed.outcome(reply)) == (400, "BadRequest")
    assert "error" in json.loads(reply.body)


def test_an_error_that_comes_up_in_the_reply_is_counted_as_what_it_is():
    image = {"name": "image", "shape": [1], "datatype": "BYTES", "data": ["YQ=="]}
    body = {"inputs": [image], "outputs": [{"name": "label"}]}  # which a model that answers questions has not
    parsed = Exchange.parse(Request("id", {"body": json.dumps(body).encode()}), SETTINGS)
    ranked = Ranking("answer", ({"answer": "red", "score": 0.5},))
    finished = parsed.take(iter([Item("id", ranked=ranked)]))
    reply = finished.reply(Model("m", "1.0.0"))
    assert (reply.status, finished.outcome(reply)) == (400, "BadRequest")


def test_a_refused_request_is_logged_as_one_item_without_a_question():
    (item,) = Exchange.parse(Request("id", {"body": b"{"}), SETTINGS).logged_items
    assert item.query is UNREADABLE
    assert item.error is not None


def test_the_protocol_is_looked_up_once(monkeypatch: pytest.MonkeyPatch):
    looked_up: list[Request] = []

    def count(request: Request) -> object:
        looked_up.append(request)
        return find_protocol(request)

    monkeypatch.setattr(exchange, "find_protocol", count)
    for body in (b'{"image": "YQ==", "question": "a"}', b"{"):
        looked_up.clear()
        Exchange.parse(Request("id", {"body": body}), SETTINGS)
        assert len(looked_up) == 1


def test_finished_items_return_to_their_requests_in_order():
    first, second = (
        Exchange(Request(name, {}), PROTOCOLS[-1], (Item(name),) * count) for name, count in [("a", 2), ("b", 1)]
    )
    finished = iter([Item("1"), Item("2"), Item("3")])
    assert [item.request_id for item in first.take(finished).items] == ["1", "2"]
    assert [item.request_id for item in second.take(finished).items] == ["3"]
