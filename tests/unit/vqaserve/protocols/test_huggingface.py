from __future__ import annotations

import json

import pytest

from tests.support.pictures import as_base64, encoded
from vqaserve.errors import BadRequest, InvalidQuestion, MissingImage, VqaError
from vqaserve.protocols import find_protocol
from vqaserve.protocols.huggingface import HuggingFace
from vqaserve.protocols.plain import Plain
from vqaserve.settings import HandlerSettings
from vqaserve.types import Item, Model, Query, Ranking, Request

PNG = encoded()
B64 = as_base64(PNG)
MODEL = Model("m", "1.0.0")


def parse(body: object) -> list[Query]:
    return HuggingFace().parse(Request("id", {"body": body}), HandlerSettings(version="1.0.0", family="dummy"))


def test_a_json_object_with_inputs_is_of_this_format_and_others_are_plain():
    assert isinstance(find_protocol(Request("id", {"body": {"inputs": B64}})), HuggingFace)
    assert isinstance(find_protocol(Request("id", {"body": {"image": B64}})), Plain)
    assert isinstance(find_protocol(Request("id", {"image": PNG})), Plain)


@pytest.mark.parametrize(
    "body",
    [
        {"inputs": B64, "image": B64, "question": "q", "parameters": {}},
        {"inputs": {"image": B64, "question": "q"}},
        {"inputs": {"image": B64, "question": "q"}, "parameters": {}},
        {"inputs": {"question": "q"}, "image": B64},
    ],
)
def test_flat_and_nested_inputs_are_read_alike(body: dict):
    assert parse(body) == [Query(PNG, "q")]


def test_parameters_are_passed_on():
    query = parse({"inputs": B64, "question": "q", "parameters": {"top_k": 2, "max_new_tokens": 7}})[0]
    assert (query.top_k, query.parameters) == (2, {"max_new_tokens": 7})


@pytest.mark.parametrize(
    ("body", "error", "message"),
    [
        ({"inputs": "", "question": "q"}, MissingImage, "the request has no picture"),
        ({"inputs": {"question": "q"}}, MissingImage, "the request has no picture"),
        ({"inputs": B64, "question": "q", "parameters": {"topk": 1}}, BadRequest, "parameters.topk"),
        ({"inputs": 3, "question": "q"}, BadRequest, "inputs"),
        ({"inputs": B64, "question": "q", "option": {}}, BadRequest, "unknown field 'option'; did you mean 'options'"),
    ],
)
def test_what_cannot_be_read_is_refused(body: dict, error: type[VqaError], message: str):
    with pytest.raises(error, match=message):
        parse(body)


def test_the_reply_is_a_list_best_first():
    item = Item(
        "id",
        Query(PNG, "q"),
        ranked=Ranking("answer", ({"answer": "red", "score": 0.9}, {"answer": "blue", "score": 0.1})),
    )
    reply = HuggingFace().reply(Request("id", {}), [item], Model("m", "1.0.0"))
    assert [entry["answer"] for entry in json.loads(reply.body)] == ["red", "blue"]


def test_a_list_of_inputs_is_answered_by_a_list_of_lists_in_which_one_may_be_an_error():
    item = Item("id", Query(PNG, "q", warnings=("w",)), ranked=Ranking("answer", ({"answer": "red", "score": 0.9},)))
    request = Request("id", {"body": {"inputs": [B64, B64], "question": "q"}})
    answered, failed = json.loads(HuggingFace().reply(request, [item, Item("id", error=MissingImage("m"))], MODEL).body)
    assert answered == [{"answer": "red", "score": 0.9, "warnings": ["w"]}]
    assert failed == {"code": 422, "type": "MissingImage", "message": "m"}


@pytest.mark.parametrize("count", [1, 33])
def test_a_list_of_inputs_has_the_limit_of_questions(count: int):
    body = {"inputs": [{"image": B64, "question": "q"}] * count}
    if count > 32:
        with pytest.raises(InvalidQuestion, match="has 33 questions"):
            parse(body)
    else:
        assert parse(body) == [Query(PNG, "q")]
