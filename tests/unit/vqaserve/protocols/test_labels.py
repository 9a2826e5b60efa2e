"""Candidate labels and pictures without a question, in every format."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

import pytest

from tests.support.pictures import as_base64, encoded
from vqaserve.errors import BadRequest, VqaError
from vqaserve.protocols import find_protocol
from vqaserve.settings import HandlerSettings
from vqaserve.types import Item, Model, Query, Ranking, Reply, Request

PNG = encoded()
B64 = as_base64(PNG)
LABELS = ("a cat", "a dog, asleep")
SETTINGS = HandlerSettings(version="1.0.0", family="dummy")
ITEM = Item(
    "id", Query(PNG), ranked=Ranking("label", ({"label": "a cat", "score": 0.9}, {"label": "a dog", "score": 0.1}))
)


def tensor(name: str, *data: str) -> dict[str, object]:
    return {"name": name, "datatype": "BYTES", "shape": [len(data)], "data": list(data)}


ASKED: dict[str, dict[str, object]] = {
    "form, a JSON list": {"image": PNG, "labels": json.dumps(LABELS).encode()},
    "form, the Hub's name": {"image": PNG, "candidate_labels": json.dumps(LABELS).encode()},
    "JSON": {"body": {"image": B64, "labels": LABELS}},
    "Hugging Face": {"body": {"inputs": B64, "parameters": {"candidate_labels": LABELS}}},
    "KServe v1": {"body": {"instances": [{"image": {"b64": B64}, "labels": LABELS}]}},
    "KServe v1, shared": {"body": {"instances": [{"image": B64}], "parameters": {"candidate_labels": LABELS}}},
    "KServe v2": {"body": {"inputs": [tensor("image", B64), tensor("labels", *LABELS)]}},
    "KServe v2, a parameter": {"body": {"inputs": [tensor("image", B64)], "parameters": {"candidate_labels": LABELS}}},
}


def parse(fields: Mapping[str, object], **headers: str) -> Sequence[Query | VqaError]:
    plain = json.loads(json.dumps(fields["body"])) if isinstance(fields.get("body"), dict) else None
    request = Request("id", {"body": plain} if plain else fields, headers)
    return find_protocol(request).parse(request, SETTINGS)


def reply(fields: Mapping[str, object], **headers: str) -> Reply:
    request = Request("id", fields, headers)
    return find_protocol(request).reply(request, [ITEM], Model("m", "1.0.0"))


@pytest.mark.parametrize("fields", ASKED.values(), ids=ASKED)
def test_every_format_carries_candidate_labels(fields: dict[str, object]):
    assert parse(fields) == [Query(PNG, labels=LABELS)]


def test_labels_of_a_form_are_separated_by_commas():
    assert parse({"image": PNG, "labels": b" a cat , a dog,"}) == [Query(PNG, labels=("a cat", "a dog"))]


def test_the_template_is_passed_on():
    (query,) = parse({"image": PNG, "labels": b"a", "hypothesis_template": b"a drawing of {}"})
    assert isinstance(query, Query)
    assert query.hypothesis_template == "a drawing of {}"


def test_labels_under_two_names_are_refused():
    with pytest.raises(BadRequest, match="both 'labels' and 'candidate_labels'"):
        parse({"image": PNG, "labels": b"a", "candidate_labels": b"b"})


def test_labels_that_are_no_text_are_refused():
    with pytest.raises(BadRequest, match="labels"):
        parse({"body": {"image": B64, "labels": [1, 2]}})
    with pytest.raises(BadRequest, match="form field 'labels' is not JSON"):
        parse({"image": PNG, "labels": b'["a cat", '})


@pytest.mark.parametrize("agent", ["unknown/None; hf_hub/2.4.0; python/3.11.7", "@huggingface/inference/4.1.0"])
def test_a_picture_as_the_body_of_a_hub_client_is_answered_by_a_list(agent: str):
    headers = {"user-agent": agent}
    request = Request("id", {"body": bytearray(PNG)}, headers)
    assert find_protocol(request).parse(request, SETTINGS) == [Query(PNG)]
    assert json.loads(reply({"body": bytearray(PNG)}, **headers).body) == [*ITEM.ranked.entries]


def test_a_picture_as_the_body_of_another_client_is_answered_by_an_object():
    assert json.loads(reply({"body": bytearray(PNG)}, **{"user-agent": "curl/8.5.0"}).body) == {
        "label": "a cat",
        "confidence": 0.9,
        "labels": [*ITEM.ranked.entries],
        "model": {"name": "m", "version": "1.0.0"},
    }


def test_kserve_v2_calls_its_output_as_the_task_does():
    outputs = json.loads(reply({"body": {"inputs": [tensor("image", B64)]}}).body)["outputs"]
    assert [output["name"] for output in outputs] == ["label", "score"]
    with pytest.raises(BadRequest, match="unknown output 'answer'; the outputs are 'label', 'score' and 'abstained'"):
        reply({"body": {"inputs": [tensor("image", B64)], "outputs": [{"name": "answer"}]}})
