"""What a request's faults are called, in every format."""

from __future__ import annotations

import tracemalloc

import pytest
from pydantic import BaseModel

from vqaserve.errors import BadRequest
from vqaserve.protocols.content import validate
from vqaserve.protocols.huggingface import HuggingFaceRequest
from vqaserve.protocols.kserve_v1 import KServeInstance, KServeV1Request
from vqaserve.protocols.kserve_v2 import KServeV2Request
from vqaserve.protocols.openai_chat import ChatRequest
from vqaserve.protocols.plain import PlainRequest

TENSOR = {"name": "image", "shape": [1], "datatype": "BYTES", "data": ["a"]}


@pytest.mark.parametrize(
    ("schema", "body", "unknown", "nearest"),
    [
        (PlainRequest, {"qestion": "q"}, "qestion", "question"),
        (PlainRequest, {"image": "a", "topk": 1}, "topk", "top_k"),
        (HuggingFaceRequest, {"inputs": "a", "qestion": "q"}, "qestion", "question"),
        (HuggingFaceRequest, {"inputs": {"imag": "a"}}, "inputs.imag", "image"),
        (HuggingFaceRequest, {"inputs": "a", "parameters": {"topk": 1}}, "parameters.topk", "top_k"),
        (KServeV1Request, {"instances": [], "paramters": {}}, "paramters", "parameters"),
        (KServeV1Request, {"instances": [], "parameters": {"temprature": 1}}, "parameters.temprature", "temperature"),
        (KServeInstance, {"imgae": "a"}, "imgae", "image"),
        (KServeInstance, {"image": {"b65": "a"}}, "image.b65", "b64"),
        (KServeInstance, {"parameters": {"num_beam": 1}}, "parameters.num_beam", "num_beams"),
        (KServeV2Request, {"inputs": [], "output": []}, "output", "outputs"),
        (KServeV2Request, {"inputs": [TENSOR, {**TENSOR, "dattype": "x"}]}, "inputs.1.dattype", "datatype"),
    ],
)
def test_the_nearest_name_is_suggested_for_an_unknown_one(
    schema: type[BaseModel], body: dict, unknown: str, nearest: str
):
    with pytest.raises(BadRequest) as caught:
        validate(schema, body)
    assert f"unknown field '{unknown}'; did you mean '{nearest}'?" in str(caught.value)


def test_an_unknown_name_without_a_near_match_is_refused_with_all_known_names():
    with pytest.raises(
        BadRequest,
        match=r"unknown field 'zzz'; allowed: answer, candidate_labels, conversation, hypothesis_template, .*, top_p$",
    ):
        validate(PlainRequest, {"zzz": 1})


@pytest.mark.parametrize(
    ("schema", "body", "message"),
    [
        (PlainRequest, {"top_k": "x"}, r"^top_k: Input should be a valid integer, .*, got 'x'$"),
        (PlainRequest, {"questions": ["a", 2]}, "^questions.1: Input should be a valid string, got 2$"),
        (HuggingFaceRequest, {"inputs": {"image": 3}}, "^inputs.image: Input should be a valid string, got 3$"),
        (KServeV2Request, {}, "^inputs: Field required$"),
        (KServeInstance, {"image": 7}, "^image: Input should be a valid dictionary, got 7; image: .* string"),
    ],
)
def test_a_wrong_type_is_refused_with_the_allowed_type_and_the_value(schema: type[BaseModel], body: dict, message: str):
    with pytest.raises(BadRequest, match=message):
        validate(schema, body)


def test_a_fault_shows_only_the_ends_of_a_long_value():
    with pytest.raises(BadRequest) as caught:
        validate(PlainRequest, {"top_k": "x" * 1_000_000, "y" * 1_000_000: 1})
    assert len(str(caught.value)) < 500


def nested(depth: int) -> list:
    inner: list = []
    for _ in range(depth):
        inner = [inner]
    return inner


@pytest.mark.parametrize(
    ("schema", "body", "message"),
    [
        (PlainRequest, {f"field{number}": 1 for number in range(1_000_000)}, "more than 10,000 values"),
        (PlainRequest, {"questions": [1] * 1_000_000}, "more than 10,000 values"),
        (HuggingFaceRequest, {"inputs": {f"x{number}": 1 for number in range(1_000_000)}}, "more than 10,000 values"),
        (KServeV1Request, {"instances": [[[]] * 1_000] * 1_000}, "more than 10,000 values"),
        (KServeV2Request, {"inputs": [{**TENSOR, "shape": ["a"] * 1_000_000}]}, "more than 10,000 values"),
        (ChatRequest, {"messages": [{"role": "user", "content": [1] * 1_000_000}]}, "more than 10,000 values"),
        (KServeV2Request, {"inputs": [{**TENSOR, "data": nested(500)}]}, "deeper than 32 levels"),
    ],
)
def test_a_body_of_a_million_faults_is_refused_without_an_object_for_each(
    schema: type[BaseModel], body: dict, message: str
):
    tracemalloc.start()
    try:
        with pytest.raises(BadRequest, match=message):
            validate(schema, body)
        assert tracemalloc.get_traced_memory()[1] < 1_000_000
    finally:
        tracemalloc.stop()


def test_a_long_conversation_is_no_fault():
    parts = [{"type": "text", "text": "why?"}, {"type": "image_url", "image_url": {"url": "data:,"}}]
    asked = validate(ChatRequest, {"messages": [{"role": "user", "content": parts}] * 500})
    assert len(asked.messages) == 500
