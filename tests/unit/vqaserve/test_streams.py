from __future__ import annotations

import time
from collections.abc import Mapping

import pytest

from tests.support.pipelines import SETTINGS, Fragile, body, pipeline_of
from tests.support.pipelines import ask as plain
from tests.support.scribes import Scribe, chat_request, events, text_of
from vqaserve.settings import CacheLimits
from vqaserve.streams import Part
from vqaserve.types import Reply, Request

UNCACHED = SETTINGS.model_copy(update={"cache": CacheLimits(answers=0)})


class Client:
    """Collects the parts of a batch's replies by place."""

    def __init__(self) -> None:
        self.messages: list[dict[int, Part]] = []

    def send(self, parts: Mapping[int, Part]) -> None:
        self.messages.append(dict(parts))

    def parts(self, place: int) -> list[bytes]:
        return [message[place].reply.body for message in self.messages if place in message]

    def whole(self, place: int, last: Reply) -> list:
        return events([*self.parts(place), last.body])


def answered(*requests: Request, family: Scribe | Fragile | None = None) -> tuple[Client, list[Reply]]:
    client = Client()
    return client, pipeline_of(family or Scribe(), UNCACHED).answer(requests, client.send)


def test_each_word_is_sent_as_it_is_written():
    client, (last,) = answered(chat_request("one two three"))
    texts = [text_of(events(part)) for part in client.parts(0)]
    assert texts == ["one", " two", " three"]
    assert client.messages[-1][0].is_last
    assert last.body == b""


def test_the_events_are_openais():
    client, (last,) = answered(chat_request("one two"))
    told = client.whole(0, last)
    assert told[-1] == "[DONE]"
    assert {event["object"] for event in told[:-1]} == {"chat.completion.chunk"}
    assert len({(event["id"], event["created"], event["model"]) for event in told[:-1]}) == 1
    deltas = [event["choices"][0]["delta"] for event in told[:-1]]
    assert deltas == [{"role": "assistant", "content": ""}, {"content": "one"}, {"content": " two"}, {}]
    assert [event["choices"][0]["finish_reason"] for event in told[:-1]] == [None, None, None, "stop"]
    head = client.messages[0][0].reply
    assert (head.status, head.content_type, head.headers) == (
        200,
        "text/event-stream; charset=utf-8",
        {"X-Accel-Buffering": "no"},
    )


def test_usage_comes_last_and_only_if_it_is_asked_for():
    client, (last,) = answered(chat_request("one two", stream_options={"include_usage": True}))
    *before, with_usage, done = client.whole(0, last)
    assert done == "[DONE]"
    assert with_usage["choices"] == []
    assert (with_usage["usage"]["prompt_tokens"], with_usage["usage"]["completion_tokens"]) == (3, 2)
    assert all(event["usage"] is None for event in before)
    client, (last,) = answered(chat_request("one two"))
    assert not any("usage" in event for event in client.whole(0, last)[:-1])


def test_streams_and_plain_requests_share_a_batch():
    requests = [
        chat_request("a b c", "1"),
        plain("x y"),
        chat_request("d", "2"),
        chat_request("e f", "3", stream=False),
    ]
    client, replies = answered(*requests)
    assert text_of(client.whole(0, replies[0])) == "a b c"
    assert text_of(client.whole(2, replies[2])) == "d"
    assert body(replies[1])["answer"] == "x y"
    assert body(replies[3])["choices"][0]["message"]["content"] == "e f"
    assert not client.parts(1)
    assert not client.parts(3)


def test_a_stream_that_ends_before_its_batch_is_told_so_at_once():
    client, _ = answered(chat_request("a", "1"), chat_request("b c d", "2"))
    ends = {place: at for at, message in enumerate(client.messages) for place, part in message.items() if part.is_last}
    assert ends == {0: 0, 1: 2}


def test_two_streams_of_one_question_are_written_once_and_both_get_it():
    family = Scribe()
    client, replies = answered(chat_request("a b", "1"), chat_request("a b", "2"), family=family)
    assert family.steps == 2
    assert [text_of(client.whole(place, replies[place])) for place in (0, 1)] == ["a b", "a b"]


def test_a_model_that_does_not_write_sends_its_answer_in_one_reply():
    client, (reply,) = answered(chat_request("what?"), family=Fragile())
    assert not client.messages
    assert reply.content_type == "text/event-stream; charset=utf-8"
    told = events(reply.body)
    assert text_of(told) == "4x3 #ff0000: what?"
    assert told[-1] == "[DONE]"


def test_a_cached_answer_is_streamed_in_one_reply():
    pipeline, client = pipeline_of(Scribe()), Client()
    pipeline.answer([chat_request("one two", "1")], client.send)
    sent = len(client.messages)
    (reply,) = pipeline.answer([chat_request("one two", "2")], client.send)
    assert len(client.messages) == sent
    assert text_of(events(reply.body)) == "one two"


def test_an_error_before_the_first_word_has_its_own_status():
    client, (failed, unreadable) = answered(chat_request("fail", "1"), chat_request("", "2"))
    assert not client.messages
    assert (failed.status, body(failed)["error"]["type"]) == (500, "InternalError")
    assert unreadable.status == 422
    assert failed.content_type == "application/json"


def test_an_error_after_the_first_word_is_an_event_and_harms_no_other():
    client, replies = answered(chat_request("one fail", "1"), chat_request("a b c", "2"), plain("x"))
    *before, error, done = client.whole(0, replies[0])
    assert (text_of(before), done) == ("one", "[DONE]")
    assert error["error"] == {
        "message": "the server failed on this question; its log has the details under the request id",
        "type": "InternalError",
        "code": 500,
        "param": None,
    }
    assert text_of(client.whole(1, replies[1])) == "a b c"  # written again with the half of the batch, sent once
    assert body(replies[2])["answer"] == "x"


@pytest.mark.parametrize("stream", [True, False])
def test_an_answer_is_not_written_on_after_its_deadline(stream: bool):
    family = Scribe()
    question = " ".join(["word"] * 1_000_000)
    headers = {"x-request-start": f"t={time.time():.3f}", "x-timeout-ms": "1000"}
    settings = SETTINGS.model_copy(
        update={"limits": SETTINGS.limits.model_copy(update={"max_question_chars": 10_000_000})}
    )
    client = Client()
    pipeline = pipeline_of(family, settings)
    late, other = pipeline.answer(
        [chat_request(question, "1", headers, stream=stream), chat_request("a b", "2", stream=stream)], client.send
    )
    assert family.steps < 1_000_000
    error = client.whole(0, late)[-2] if stream else body(late)
    assert (error["error"]["type"], error["error"]["code"]) == ("DeadlineExceeded", 504)
    assert late.status == (200 if stream else 504)
    assert other.status == 200


def test_warnings_come_with_the_end():
    client, (last,) = answered(chat_request("one two", frequency_penalty=1))
    *_, end, _ = client.whole(0, last)
    assert "frequency_penalty" in end["warnings"][0]


def test_choices_are_sent_whole_each_under_its_index():
    class Twice(Scribe):
        def decode(self, outputs, queries):
            return [(one, one) for (one,) in super().decode(outputs, queries)]

    client, (reply,) = answered(chat_request("one two", n=2), family=Twice())
    assert not client.messages
    told = events(reply.body)
    assert [text_of(told, index) for index in (0, 1)] == ["one two", "one two"]
    assert sum(event["choices"][0]["finish_reason"] == "stop" for event in told[:-1]) == 2
