from __future__ import annotations

import json

import pytest

from tests.support.pictures import as_base64, encoded
from vqaserve.errors import BadRequest, InvalidParameter, InvalidQuestion, MissingImage, NotFound, VqaError
from vqaserve.protocols.openai_chat import OpenAIChat
from vqaserve.settings import HandlerSettings
from vqaserve.types import Answer, Item, Model, Query, Ranking, Request, Turn
from vqaserve.writing import Token, Writing

PNG, BLUE = encoded(), encoded("blue")
MODEL = Model("m", "1.0.0")
SETTINGS = HandlerSettings(version="1.0.0", family="dummy")


def picture(data: bytes) -> dict:
    return {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{as_base64(data)}"}}


def text(value: str) -> dict:
    return {"type": "text", "text": value}


def user(*parts: object) -> dict:
    return {"role": "user", "content": list(parts)}


def parse(*messages: object, path: str = "v1/chat/completions", **rest: object) -> list[Query]:
    body = {"model": "m", "messages": list(messages), **rest}
    return list(OpenAIChat().parse(Request("id", {"body": body}, {"url_path": path}), SETTINGS))


def test_the_last_picture_and_the_last_text_are_asked():
    answered = {"role": "assistant", "content": "a cup"}
    queries = parse(
        user(text("what?"), picture(PNG)), answered, user(picture(BLUE)), {"role": "user", "content": "color?"}
    )
    assert [(query.image, query.question) for query in queries] == [(BLUE, "color?")]


def test_the_whole_conversation_is_read_in_its_order():
    system = {"role": "system", "content": "be terse"}
    answered = {"role": "assistant", "content": "a cup"}
    (query,) = parse(system, user(text("what?"), picture(PNG)), answered, user(picture(BLUE), text("and"), text("now")))
    assert query.images == (PNG, BLUE)
    assert query.conversation == (
        Turn("system", ("be terse",)),
        Turn("user", ("what?", 0)),
        Turn("assistant", ("a cup",)),
        Turn("user", (1, "and", "now")),
    )


def test_one_picture_and_then_a_question_is_no_conversation():
    assert parse(user(picture(PNG), text("what?")))[0].conversation == ()
    assert parse(user(text("what?"), picture(PNG)))[0].conversation == (Turn("user", ("what?", 0)),)


def test_parameters_that_front_ends_send_to_every_model_are_accepted():
    rest = {"temperature": 0.7, "max_tokens": 9, "top_p": 1, "seed": 3, "n": 2, "stop": ".", "logprobs": True}
    query = parse(user(text("q"), picture(PNG)), **rest)[0]
    assert query.lenient
    assert query.parameters == {"max_new_tokens": 9, "temperature": 0.7, "top_p": 1, "seed": 3, "top_logprobs": 0}
    assert (query.choices, query.stop) == (2, (".",))


@pytest.mark.parametrize(
    ("messages", "rest", "error", "message"),
    [
        ([user(text("q"))], {}, MissingImage, "the request has no picture"),
        ([user(text("q"), picture(PNG))], {"n": 9}, InvalidParameter, "n is 9; it can be 1 to 8"),
        ([user(text("q"), picture(PNG))], {"stop": [""]}, BadRequest, "stop"),
        ([user(text("q"), picture(PNG))], {"top_logprobs": 2}, InvalidParameter, "send logprobs: true"),
        (
            [user(text("q"), picture(PNG))],
            {"response_format": {"type": "json_object"}},
            InvalidParameter,
            "response_format is 'json_object', which this server cannot guarantee",
        ),
        (
            [user(text("q"), picture(PNG)), {"role": "assistant", "content": "a"}],
            {},
            InvalidQuestion,
            "end with the user's question",
        ),
        ([user(text("q"), {"type": "image_url", "image_url": {}})], {}, BadRequest, "holds no text"),
        ([user(text("q"), picture(PNG))], {"path": "v1/embeddings"}, NotFound, "no route 'v1/embeddings'"),
        (["text"], {}, BadRequest, "messages.0"),
    ],
)
def test_a_chat_request_that_cannot_be_answered_is_refused(
    messages: list, rest: dict, error: type[VqaError], message: str
):
    with pytest.raises(error, match=message):
        parse(*messages, **rest)


def test_the_list_of_models_asks_nothing():
    request = Request("id", {"body": b""}, {"url_path": "v1/models"})
    assert OpenAIChat().parse(request, SETTINGS) == []
    listed = json.loads(OpenAIChat().reply(request, [], MODEL).body)
    assert [entry["id"] for entry in listed["data"]] == ["m"]


def test_an_error_has_openais_form_and_torchserves_keys():
    body = json.loads(OpenAIChat().refuse(MissingImage("no picture")).body)
    assert body["error"]["message"] == body["message"] == "no picture"
    assert body["code"] == 422


def test_the_answer_is_the_assistants_message():
    ranked = Ranking("answer", ({"answer": "red", "score": 0.5},))
    item = Item("id", Query(PNG, "q"), answers=(Answer("red", 0.5),), ranked=ranked)
    request = Request("id", {}, {"url_path": "v1/chat/completions"})
    body = json.loads(OpenAIChat().reply(request, [item], MODEL).body)
    assert body["choices"][0]["message"] == {"role": "assistant", "content": "red"}


def test_a_written_answer_comes_with_its_tokens_and_the_reason_of_its_end():
    token = Token("red", -0.5, (("red", -0.5), ("blue", -1.0)))
    writing = Writing(prompt_tokens=20, completion_tokens=1, cached_tokens=8, finish_reason="length", tokens=(token,))
    answers = (Answer("red", 0.5, writing=writing), Answer("blue", 0.4, writing=writing))
    ranked = Ranking("answer", ({"answer": "red", "score": 0.5}, {"answer": "blue", "score": 0.4}))
    item = Item("id", Query(PNG, "q", choices=2), answers=answers, ranked=ranked)
    body = json.loads(OpenAIChat().reply(Request("id", {}, {"url_path": "v1/chat/completions"}), [item], MODEL).body)
    assert [choice["message"]["content"] for choice in body["choices"]] == ["red", "blue"]
    assert body["choices"][0]["finish_reason"] == "length"
    assert body["choices"][0]["logprobs"]["content"][0]["top_logprobs"][1]["token"] == "blue"
    assert (body["usage"]["prompt_tokens"], body["usage"]["completion_tokens"]) == (20, 2)
    assert body["usage"]["prompt_tokens_details"] == {"cached_tokens": 8}
