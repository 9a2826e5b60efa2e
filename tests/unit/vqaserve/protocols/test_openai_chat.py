from __future__ import annotations

import json

import pytest

from tests.support.pictures import as_base64, encoded
from vqaserve.errors import BadRequest, InvalidParameter, MissingImage, NotFound, VqaError
from vqaserve.protocols.openai_chat import OpenAIChat
from vqaserve.settings import HandlerSettings
from vqaserve.types import Item, Model, Query, Ranking, Request

PNG, BLUE = encoded(), encoded("blue")
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


def test_what_front_ends_send_to_every_model_is_taken_leniently():
    query = parse(user(text("q"), picture(PNG)), temperature=0.7, max_tokens=9, top_p=1, seed=3)[0]
    assert query.lenient
    assert query.parameters == {"max_new_tokens": 9, "temperature": 0.7}


@pytest.mark.parametrize(
    ("messages", "rest", "error", "message"),
    [
        ([user(text("q"))], {}, MissingImage, "the request has no picture"),
        ([user(text("q"), picture(PNG))], {"stream": True}, InvalidParameter, "stream: false"),
        ([user(text("q"), picture(PNG))], {"n": 2}, BadRequest, "n: "),
        ([user(text("q"), {"type": "image_url", "image_url": {}})], {}, BadRequest, "holds no text"),
        ([user(text("q"), picture(PNG))], {"path": "v1/embeddings"}, NotFound, "no route 'v1/embeddings'"),
        (["text"], {}, BadRequest, "messages.0"),
    ],
)
def test_what_cannot_be_answered_is_refused(messages: list, rest: dict, error: type[VqaError], message: str):
    with pytest.raises(error, match=message):
        parse(*messages, **rest)


def test_the_list_of_models_asks_nothing():
    request = Request("id", {"body": b""}, {"url_path": "v1/models"})
    assert OpenAIChat().parse(request, SETTINGS) == []
    listed = json.loads(OpenAIChat().reply(request, [], Model("m", "1.0.0")).body)
    assert [entry["id"] for entry in listed["data"]] == ["m"]


def test_an_error_has_openais_form_and_torchserves_keys():
    body = json.loads(OpenAIChat().refuse(MissingImage("no picture")).body)
    assert body["error"]["message"] == body["message"] == "no picture"
    assert body["code"] == 422


def test_the_answer_is_the_assistants_message():
    item = Item("id", Query(PNG, "q"), ranked=Ranking("answer", ({"answer": "red", "score": 0.5},)))
    request = Request("id", {}, {"url_path": "v1/chat/completions"})
    body = json.loads(OpenAIChat().reply(request, [item], Model("m", "1.0.0")).body)
    assert body["choices"][0]["message"] == {"role": "assistant", "content": "red"}
