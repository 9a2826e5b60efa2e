"""What holds for every wire format: null is not sent, pixels are no file, and nothing is dropped in silence."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from tests.support.pictures import as_base64, encoded
from vqaserve.errors import BadRequest, VqaError
from vqaserve.protocols import find_protocol
from vqaserve.settings import HandlerSettings
from vqaserve.types import Answer, Item, Model, Query, Ranking, Request

PNG, BLUE = encoded(), encoded("blue")
B64 = as_base64(PNG)
PAIR = {"image": B64, "question": "what?"}
SETTINGS = HandlerSettings(version="1.0.0", family="dummy")
PIXELS = [[[255, 0, 0], [0, 255, 0]], [[0, 0, 255], [0, 0, 0]]]
URI = f"data:image/png;base64,{B64}"


def tensor(name: str, *data: object, **rest: object) -> dict:
    return {"name": name, "shape": [len(data)], "datatype": "BYTES", "data": list(data), **rest}


def text(value: str, **rest: object) -> dict:
    return {"type": "text", "text": value, **rest}


def picture(url: str = URI, **rest: object) -> dict:
    return {"type": "image_url", "image_url": {"url": url, **rest}}


def chat(*parts: dict, **rest: object) -> dict:
    return {"messages": [{"role": "user", "content": list(parts)}], **rest}


def parse(body: dict) -> list[Query | VqaError]:
    headers = {"url_path": "v1/chat/completions"} if "messages" in body else {}
    request = Request("id", {"body": body}, headers)
    return list(find_protocol(request).parse(request, SETTINGS))


@pytest.mark.parametrize(
    "body",
    [
        {**PAIR, "questions": None, "top_k": None, "temperature": None, "data": None, "image_url": None},
        {**PAIR, "inputs": None, "instances": None, "somebody's": None},
        {"inputs": PAIR, "parameters": None},
        {"inputs": PAIR, "parameters": {"top_k": None, "num_beams": None}, "options": None},
        {"inputs": PAIR, "image": None, "question": None},
        {"inputs": B64, "question": "what?", "image": None},
        {"inputs": {"image": None, "question": "what?"}, "image": B64},
        {"instances": [PAIR], "parameters": None},
        {"instances": [{**PAIR, "parameters": None}], "parameters": {"top_k": None}},
        {"instances": [{"image": {"b64": B64}, "question": "what?", "parameters": {"temperature": None}}]},
        {
            "id": None,
            "outputs": None,
            "parameters": None,
            "inputs": [
                tensor("image", B64, parameters=None),
                tensor("question", "what?", parameters={"content_type": None}),
            ],
        },
        chat(text("what?", image_url=None), picture(detail=None), stream=None, n=None, stop=None, max_tokens=None),
        chat({**text("what?"), "image_url": None}, {**picture(), "text": None}, temperature=None, tools=None),
    ],
)
def test_a_field_that_is_null_was_not_sent(body: dict):
    assert [(query.image, query.question, query.top_k, query.parameters, query.warnings) for query in parse(body)] == [
        (PNG, "what?", None, {}, ())
    ]


@pytest.mark.parametrize(
    "body",
    [
        {"image": PIXELS, "question": "what?"},
        {"image": [[0.1] * 300] * 300, "question": "what?"},
        {"data": PIXELS},
        {"inputs": {"image": PIXELS, "question": "what?"}},
        {"inputs": PIXELS},
        {"instances": PIXELS},
        {"instances": [PIXELS]},
        {"instances": [{"image": PIXELS, "question": "what?"}]},
        {"instances": [{"image": {"b64": PIXELS}, "question": "what?"}]},
        {"inputs": [tensor("image", *PIXELS, datatype="UINT8", shape=[1, 2, 2, 3])]},
        {"inputs": [tensor("image", *([0.5] * 50), datatype="FP32", shape=[1, 3, 224, 224])]},
        chat(text("what?"), {"type": "image_url", "image_url": {"url": PIXELS}}),
    ],
)
def test_pixel_arrays_are_refused_and_a_file_is_asked_for(body: dict):
    try:
        entry = parse(body)[0]
    except BadRequest as error:  # in a list, each entry has its own
        entry = error
    assert isinstance(entry, BadRequest)
    assert "pixels" in str(entry)
    assert "file" in str(entry)


@pytest.mark.parametrize(
    ("body", "warning"),
    [
        (
            {"messages": [{"role": "tool", "content": "4"}, *chat(text("q"), picture())["messages"]]},
            "1 messages of other roles than system, developer, user, assistant were not used",
        ),
        (chat(text("q"), picture(), tools=[{}], logit_bias={}), "no effect on this server: 'logit_bias', 'tools'"),
        ({"inputs": PAIR, "options": {"wait_for_model": True}}, "'options' has no effect on this server"),
    ],
)
def test_what_is_not_used_is_named_in_a_warning(body: dict, warning: str):
    (query,) = parse(body)
    assert isinstance(query, Query)
    assert any(warning in one for one in query.warnings), query.warnings


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({**PAIR, "data": B64}, "the request has more than one picture: image and data"),
        (
            {**PAIR, "image_url": "https://example.org/a.png"},
            "the request has more than one picture: image and image_url",
        ),
        ({**PAIR, "questions": ["a"]}, "has both 'question' and 'questions'"),
        ({"inputs": B64, "image": as_base64(BLUE), "question": "q"}, "'inputs' and 'image' hold two different values"),
        ({"inputs": PAIR, "question": "another?"}, "'inputs' and 'question' hold two different values"),
        ({"inputs": PAIR, "top_k": 3}, "unknown field 'top_k'"),
        ({"inputs": [tensor("image", B64), tensor("image", B64)]}, "input 'image' occurs more than once"),
        ({"inputs": [tensor("image", B64), tensor("question", "a"), tensor("mask", "b")]}, "unknown input 'mask'"),
        (
            {"inputs": [tensor("image", B64), tensor("question", "a")], "outputs": [{"name": "logits"}]},
            "unknown output",
        ),
        (chat(text("q"), picture(), {"type": "input_audio", "input_audio": {}}), "a part has type 'input_audio'"),
        (chat(text("q"), picture(), {"text": "more"}), "a part has type 'None'"),
    ],
)
def test_a_body_of_which_a_part_cannot_be_used_is_refused(body: dict, message: str):
    with pytest.raises(BadRequest, match=message):
        parse(body)


@pytest.mark.parametrize(
    "name", ["file", "Files", "photo", "picture", "img", "images", "image[]", "IMAGE", "upload", "input"]
)
@pytest.mark.parametrize("form", [True, False])
def test_a_misnamed_picture_field_is_refused_with_the_right_name(name: str, form: bool):
    fields = {name: PNG, "question": b"what?"} if form else {"body": {name: B64, "question": "what?"}}
    request = Request("id", fields)
    with pytest.raises(BadRequest) as caught:
        find_protocol(request).parse(request, SETTINGS)
    assert f"unknown field '{name}'; did you mean 'image'?" in str(caught.value)


@pytest.mark.parametrize("name", ["prompt", "query", "text", "q", "Question", "questions[]"])
def test_a_misnamed_question_field_is_refused_with_the_right_name(name: str):
    request = Request("id", {"image": PNG, name: b"what?"})
    with pytest.raises(BadRequest, match=r"did you mean 'questions?'"):
        find_protocol(request).parse(request, SETTINGS)


def test_a_file_in_an_unknown_field_is_refused_with_the_right_name():
    request = Request("id", {"attachment": PNG, "question": b"what?"})
    with pytest.raises(BadRequest, match="unknown field 'attachment'; did you mean 'image'"):
        find_protocol(request).parse(request, SETTINGS)


@pytest.mark.parametrize("value", ["größe".encode("latin-1"), b"\xff\xfe", "größe".encode("cp1252"), b"12", b""])
def test_an_unknown_name_is_reported_before_its_value_is_decoded(value: bytes):
    request = Request("id", {"image": PNG, "question": b"what?", "topk": value})
    with pytest.raises(BadRequest, match="unknown field 'topk'; did you mean 'top_k'"):
        find_protocol(request).parse(request, SETTINGS)


def asked(body: dict) -> list[str]:
    return [query.question for query in parse(body) if isinstance(query, Query)]


@pytest.mark.parametrize(
    ("parts", "question"),
    [
        ([text("what color is"), picture(), text("the shape?")], "what color is the shape?"),
        ([text(" a "), text("b\n"), text("c"), picture()], "a b c"),
        ([picture(), text("what?"), text("  ")], "what?"),
        ([text("why?"), picture(), text("Answer with one word.")], "why? Answer with one word."),
        ([text("1"), picture(), text("2"), text("3")], "1 2 3"),
    ],
)
def test_the_text_parts_of_a_turn_are_one_question_in_their_order(parts: list[dict], question: str):
    assert asked(chat(*parts)) == [question]


@pytest.fixture(params=["nested", "flat"])
def inputs(request: pytest.FixtureRequest) -> Callable[[], dict]:
    pictures = [PNG, BLUE]
    if request.param == "flat":
        return lambda: {"inputs": [as_base64(one) for one in pictures], "question": "q", "parameters": {"top_k": 2}}
    pairs = [{"image": as_base64(one), "question": "q"} for one in pictures]
    return lambda: {"inputs": pairs, "parameters": {"top_k": 2}}


def test_a_list_of_hugging_face_inputs_is_a_query_each(inputs: Callable[[], dict]):
    assert parse(inputs()) == [Query(PNG, "q", 2), Query(BLUE, "q", 2)]


def answered(body: dict, *items: Item) -> Any:
    headers = {"url_path": "v1/chat/completions"} if "messages" in body else {}
    request = Request("id", {"body": body}, headers)
    return json.loads(find_protocol(request).reply(request, items, Model("m", "1.0.0")).body)


def item(abstained: bool) -> Item:
    entries = ({"answer": "red", "score": 0.4}, {"answer": "blue", "score": 0.3})
    return Item("id", ranked=Ranking("answer", entries), answers=(Answer("red", 0.4),), abstained=abstained)


MARKED = {
    "plain": (PAIR, lambda reply: reply),
    "hugging face": ({"inputs": PAIR}, lambda reply: reply[0]),
    "kserve v1": ({"instances": [PAIR]}, lambda reply: reply["predictions"][0]),
    "openai chat": (chat(text("what?"), picture()), lambda reply: reply),
}


@pytest.mark.parametrize(("body", "place"), MARKED.values(), ids=MARKED)
def test_an_answer_that_is_not_sure_enough_is_marked_where_the_format_has_a_place(
    body: dict, place: Callable[[Any], dict]
):
    assert place(answered(body, item(abstained=True)))["abstained"] is True
    assert "abstained" not in place(answered(body, item(abstained=False)))
