from __future__ import annotations

import json

import pytest

from tests.support.pictures import as_base64, encoded
from vqaserve.errors import BadRequest, InvalidImage, InvalidQuestion, MissingImage, VqaError
from vqaserve.limits import Limits
from vqaserve.protocols import find_protocol
from vqaserve.protocols.kserve_v1 import KServeV1
from vqaserve.settings import HandlerSettings
from vqaserve.types import Item, Model, Query, Ranking, Request

PNG = encoded()
B64 = as_base64(PNG)
SETTINGS = HandlerSettings(version="1.0.0", family="dummy", limits=Limits(max_questions=3))


def parse(body: object) -> list[Query | VqaError]:
    return list(KServeV1().parse(Request("id", {"body": body}), SETTINGS))


def test_a_json_object_with_instances_is_of_this_format():
    assert isinstance(find_protocol(Request("id", {"body": {"instances": []}})), KServeV1)


def test_each_instance_is_a_query_and_shared_parameters_are_for_those_without_their_own():
    body = {
        "instances": [
            {"image": {"b64": B64}, "question": "a"},
            {"image": B64, "question": "b", "parameters": {"top_k": 1}},
        ],
        "parameters": {"top_k": 3},
    }
    assert parse(body) == [Query(PNG, "a", 3), Query(PNG, "b", 1)]


def test_each_instance_has_its_own_error():
    good = {"image": B64, "question": "a"}
    first, second, third = parse({"instances": [{"question": "q"}, good, {"image": "***", "question": "q"}]})
    assert isinstance(first, MissingImage)
    assert second == Query(PNG, "a")
    assert isinstance(third, InvalidImage)
    entry, without = parse({"instances": ["text", {"image": B64}]})
    assert isinstance(entry, BadRequest)
    assert without == Query(PNG)


@pytest.mark.parametrize(
    ("body", "error", "message"),
    [
        ({"instances": []}, InvalidQuestion, "has 0 questions"),
        ({"instances": [{}] * 4}, InvalidQuestion, "has 4 questions"),
        ({"instances": {}}, BadRequest, "instances: Input should be a valid list"),
        ({"instances": [], "signature_name": "x"}, BadRequest, "unknown field 'signature_name'"),
    ],
)
def test_a_body_of_another_shape_is_refused_as_a_whole(body: dict, error: type[VqaError], message: str):
    with pytest.raises(error, match=message):
        parse(body)


@pytest.mark.parametrize(
    ("instance", "came"), [("what?", "a string"), (None, "null"), ([], "a list"), (7, "a number"), (True, "a boolean")]
)
def test_an_instance_that_is_not_an_object_is_refused_with_an_example(instance: object, came: str):
    (error,) = parse({"instances": [instance]})
    assert str(error) == f'the instance is {came}; send {{"image": {{"b64": "..."}}, "question": "..."}}'


def test_predictions_keep_their_order_and_carry_errors():
    items = [
        Item("id", Query(PNG, "q"), ranked=Ranking("answer", ({"answer": "red", "score": 0.5},))),
        Item("id", error=MissingImage("m")),
    ]
    reply = KServeV1().reply(Request("id", {}), items, Model("m", "1.0.0"))
    predictions = json.loads(reply.body)["predictions"]
    assert reply.status == 200
    assert predictions[0]["answer"] == "red"
    assert predictions[1] == {"code": 422, "type": "MissingImage", "message": "m"}
