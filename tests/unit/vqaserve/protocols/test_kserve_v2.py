from __future__ import annotations

import json
import struct
import time

import pytest

from tests.support.pictures import as_base64, encoded
from vqaserve.errors import BadRequest, InvalidImage, InvalidQuestion, MissingImage, VqaError
from vqaserve.limits import Limits
from vqaserve.protocols import find_protocol
from vqaserve.protocols.body import read_body
from vqaserve.protocols.kserve_v2 import KServeV2, metadata
from vqaserve.settings import HandlerSettings
from vqaserve.types import Item, Model, Query, Ranking, Reply, Request

PNG, BLUE = encoded(), encoded("blue")
B64 = as_base64(PNG)
SETTINGS = HandlerSettings(version="1.0.0", family="dummy", limits=Limits(max_questions=3))


def tensor(name: str, *data: object, **changes: object) -> dict:
    return {"name": name, "shape": [len(data)], "datatype": "BYTES", "data": list(data), **changes}


def binary(head: dict, *elements: bytes) -> Request:
    body = json.dumps(head).encode()
    raw = b"".join(struct.pack("<I", len(element)) + element for element in elements)
    return Request("id", {"body": bytearray(body + raw)}, {"inference-header-content-length": str(len(body))})


def parse(request: Request | dict) -> list[Query]:
    if isinstance(request, dict):
        request = Request("id", {"body": request})
    return list(KServeV2().parse(read_body(request), SETTINGS))


def test_a_list_of_tensors_or_the_binary_header_is_of_this_format():
    assert isinstance(find_protocol(Request("id", {"body": {"inputs": [tensor("image", B64)]}})), KServeV2)
    assert isinstance(find_protocol(Request("id", {"body": {"inputs": [], "outputs": []}})), KServeV2)
    assert isinstance(find_protocol(binary({"inputs": []})), KServeV2)


def test_json_tensors_are_queries_in_order():
    body = {"inputs": [tensor("image", B64, as_base64(BLUE)), tensor("question", "a", "b")], "parameters": {"top_k": 2}}
    assert parse(body) == [Query(PNG, "a", 2), Query(BLUE, "b", 2)]


def outputs(*abstained: bool, wanted: list[dict] | None = None) -> Reply:
    body = {"inputs": [tensor("image", B64)], **({"outputs": wanted} if wanted else {})}
    ranked = Ranking("answer", ({"answer": "red", "score": 0.5},))
    items = [Item("id", ranked=ranked, abstained=one) for one in abstained]
    return KServeV2().reply(Request("id", {"body": body}), items, Model("m", "1.0.0"))


def test_the_tensor_abstained_comes_if_an_answer_is_marked_or_the_client_asks_for_it():
    names = [
        [one["name"] for one in json.loads(outputs(*marks).body)["outputs"]] for marks in [(False,), (False, True)]
    ]
    assert names == [["answer", "score"], ["answer", "score", "abstained"]]
    marked = json.loads(outputs(False, True).body)["outputs"][2]
    assert marked == {"name": "abstained", "shape": [2], "datatype": "BOOL", "data": [False, True]}
    (asked,) = json.loads(outputs(False, wanted=[{"name": "abstained"}]).body)["outputs"]
    assert asked["data"] == [False]


def test_the_tensor_abstained_has_a_byte_for_each_answer_in_the_binary_extension():
    reply = outputs(False, True, wanted=[{"name": "abstained", "parameters": {"binary_data": True}}])
    head = int(reply.headers["Inference-Header-Content-Length"])
    assert reply.body[head:] == b"\x00\x01"


def test_one_picture_serves_for_all_questions():
    assert parse({"inputs": [tensor("image", B64), tensor("question", "a", "b")]}) == [Query(PNG, "a"), Query(PNG, "b")]


def test_nested_data_is_read_row_by_row():
    image, question = tensor("image", [B64], [B64], shape=[2, 1]), tensor("question", ["a"], ["b"], shape=[2, 1])
    assert [query.question for query in parse({"inputs": [image, question]})] == ["a", "b"]


def test_raw_tensors_behind_the_json_are_read():
    def part(name: str, size: int) -> dict:
        return {"name": name, "shape": [1], "datatype": "BYTES", "parameters": {"binary_data_size": size}}

    head = {"inputs": [part("image", len(PNG) + 4), part("question", 7)], "parameters": {"binary_data_output": True}}
    assert parse(binary(head, PNG, "é?".encode())) == [Query(PNG, "é?")]


@pytest.mark.parametrize(
    ("request_", "error", "message"),
    [
        ({"inputs": []}, MissingImage, "no input 'image'"),
        ({"inputs": [tensor("image", B64), tensor("questions", "q")]}, BadRequest, "unknown input 'questions'"),
        ({"inputs": [tensor("image", "***"), tensor("question", "q")]}, InvalidImage, "not base64"),
        ({"inputs": [tensor("image", 3), tensor("question", "q")]}, BadRequest, "holds a number"),
        ({"inputs": [tensor("image", B64, datatype="FP32"), tensor("question", "q")]}, BadRequest, "send BYTES"),
        ({"inputs": [tensor("image", B64, shape=[2]), tensor("question", "q")]}, BadRequest, "has shape .* 1 elements"),
        ({"inputs": [tensor("image", B64, B64), tensor("question", *"abc")]}, BadRequest, "2 pictures and 3 questions"),
        ({"inputs": [tensor("image", B64), tensor("question", *"abcd")]}, InvalidQuestion, "more than 3 elements"),
        ({"inputs": [tensor("image", B64), tensor("question", "q")], "parameters": {"k": 1}}, BadRequest, "'k'"),
        (binary({"inputs": [tensor("image", parameters={"binary_data_size": 99})]}), BadRequest, "announces 99 raw"),
        (
            binary({"inputs": [tensor("image", parameters={"binary_data_size": 3}, shape=[1])]}, b""),
            BadRequest,
            "is cut off",
        ),
        (
            binary({"inputs": [tensor("image", parameters={"binary_data_size": 400}, shape=[100])]}, *[b""] * 100),
            InvalidQuestion,
            "more than 3 elements",
        ),
        (
            Request("id", {"body": bytearray(b"{}")}, {"inference-header-content-length": "x"}),
            BadRequest,
            "is 'x', and the body has 2 bytes",
        ),
        (
            Request("id", {"body": bytearray(b"{}")}, {"inference-header-content-length": "9" * 5000}),
            BadRequest,
            "and the body has 2 bytes",
        ),
    ],
)
def test_what_cannot_be_read_is_refused(request_: Request | dict, error: type[VqaError], message: str):
    with pytest.raises(error, match=message):
        parse(request_)


def test_a_shape_of_thousands_of_huge_sizes_is_refused_without_multiplying_them():
    huge = tensor("image", B64, shape=[10**4000] * 600)  # their product takes 15 s
    began = time.process_time()
    with pytest.raises(BadRequest, match="make them agree") as refused:
        parse({"inputs": [huge]})
    assert time.process_time() - began < 2
    assert len(str(refused.value)) < 1000


def test_the_reply_is_two_tensors():
    request = Request("id", {"body": {"id": "7", "inputs": []}})
    ranked = ({"answer": "red", "score": 0.5}, {"answer": "blue", "score": 0.25})
    reply = KServeV2().reply(
        request, [Item("id", Query(PNG, "q"), ranked=Ranking("answer", ranked))] * 2, Model("m", "1.0.0")
    )
    body = json.loads(reply.body)
    assert (body["model_name"], body["model_version"], body["id"]) == ("m", "1.0.0", "7")
    answer, score = body["outputs"]
    assert (answer["shape"], answer["data"]) == ([2, 2], ["red", "blue", "red", "blue"])
    assert (score["datatype"], score["data"]) == ("FP32", [0.5, 0.25, 0.5, 0.25])


def test_one_entrys_error_is_the_whole_replys():
    items = [
        Item("id", Query(PNG, "q"), ranked=Ranking("answer", ({"answer": "red", "score": 1.0},))),
        Item("id", error=InvalidImage("no")),
    ]
    reply = KServeV2().reply(Request("id", {"body": {"inputs": []}}), items, Model("m", "1.0.0"))
    assert reply.status == 422
    assert json.loads(reply.body)["error"] == "no"


RANKED = ({"answer": "größe", "score": 0.5}, {"answer": "blue", "score": 0.25})


def reply(**body: object) -> Reply:
    request = Request("id", {"body": {"inputs": [], **body}})
    return KServeV2().reply(
        request, [Item("id", Query(PNG, "q"), ranked=Ranking("answer", RANKED))], Model("m", "1.0.0")
    )


@pytest.mark.parametrize(
    ("outputs", "names"),
    [
        ([], ["answer", "score"]),
        (None, ["answer", "score"]),
        ([{"name": "score"}], ["score"]),
        ([{"name": "answer", "parameters": {"binary_data": False}}], ["answer"]),
        ([{"name": "score"}, {"name": "answer", "parameters": None}], ["score", "answer"]),
    ],
)
def test_the_reply_has_the_outputs_that_were_requested(outputs: list | None, names: list[str]):
    body = json.loads(reply(outputs=outputs, parameters={"binary_data_output": True}).body)
    assert [output["name"] for output in body["outputs"]] == names


def test_an_output_comes_raw_where_its_entry_asks_for_that():
    outputs = [
        {"name": "score", "parameters": {"binary_data": True}},
        {"name": "answer", "parameters": {"binary_data": True}},
    ]
    made = reply(outputs=outputs)
    size = int(made.headers["Inference-Header-Content-Length"])
    head, raw = json.loads(made.body[:size]), made.body[size:]
    assert made.content_type == "application/octet-stream"
    assert [output["parameters"] for output in head["outputs"]] == [{"binary_data_size": 8}, {"binary_data_size": 19}]
    assert struct.unpack("<2f", raw[:8]) == (0.5, 0.25)
    assert raw[8:] == b"\x07\0\0\0" + "größe".encode() + b"\x04\0\0\0blue"


def test_one_output_can_be_raw_and_the_other_in_json():
    made = reply(outputs=[{"name": "answer"}, {"name": "score", "parameters": {"binary_data": True}}])
    answer, score = json.loads(made.body[: int(made.headers["Inference-Header-Content-Length"])])["outputs"]
    assert answer["data"] == ["größe", "blue"]
    assert "data" not in score


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"outputs": [{"name": "answer"}, {"name": "answer"}]}, BadRequest, "output 'answer' occurs more than once"),
        (
            {"outputs": [{"name": "logits"}]},
            BadRequest,
            "unknown output 'logits'; the outputs are 'answer', 'label', 'score' and 'abstained'",
        ),
        (
            {"outputs": [{"name": "answer", "parameters": {"classification": 3}}]},
            BadRequest,
            "output 'answer' has the parameter 'classification', which is not supported",
        ),
        (
            {"inputs": [tensor("image", parameters={"shared_memory_region": "r"}), tensor("question", "q")]},
            BadRequest,
            "input 'image' has the parameter 'shared_memory_region'",
        ),
        ({"outputs": ["answer"]}, BadRequest, "outputs.0: Input should be a valid dictionary"),
        ({"parameters": {"sequence_id": 1}}, BadRequest, "unknown field 'sequence_id'"),
        ({"inputs": [tensor("image", B64), tensor("question", "q", datatype="STRING")]}, BadRequest, "send BYTES"),
        ({"inputs": [tensor("image", B64), tensor("question", "q", shape=[-1])]}, BadRequest, "make them agree"),
    ],
)
def test_what_the_protocol_allows_and_this_server_does_not_is_named(change: dict, error: type[VqaError], message: str):
    with pytest.raises(error, match=message):
        parse({"inputs": [tensor("image", B64), tensor("question", "q")], **change})


def test_bytes_that_no_tensor_announces_are_refused():
    head = {"inputs": [tensor("image", B64), tensor("question", "q")]}
    with pytest.raises(BadRequest, match="8 bytes follow the last raw tensor"):
        parse(binary(head, b"more"))


def test_a_tensor_in_json_and_raw_at_once_is_refused():
    both = tensor("image", B64, parameters={"binary_data_size": len(PNG) + 4})
    with pytest.raises(BadRequest, match="input 'image' is both in JSON and a raw tensor"):
        parse(binary({"inputs": [both, tensor("question", "q")]}, PNG))


@pytest.mark.parametrize(
    ("fields", "noun", "inputs"),
    [
        ({"image", "question", "top_k"}, "answer", ["image", "question"]),
        ({"image", "labels", "candidate_labels"}, "label", ["image", "labels"]),
        ({"image", "pages"}, "label", ["image"]),
    ],
)
def test_the_metadata_names_the_tensors_of_a_request_and_its_reply(fields: set[str], noun: str, inputs: list[str]):
    described = metadata(fields, noun)
    assert described["platform"] == "vqaserve"
    assert [(one["name"], one["datatype"]) for one in described["inputs"]] == [(name, "BYTES") for name in inputs]
    outputs = [(one["name"], one["datatype"]) for one in described["outputs"]]
    assert outputs == [(noun, "BYTES"), ("score", "FP32"), ("abstained", "BOOL")]
