"""Candidate labels and pictures without a question, sent by the real clients of each format to a live server."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import pytest
import tritonclient.http as triton
from huggingface_hub import InferenceClient

from tests.support.pictures import as_base64, encoded
from vqaops.server.server import Server

LABELS = ["a red #ff0000 thing", "a blue #0000ff thing"]
BLUE = encoded("blue")
CLASSES = ["4x3 #0000ff: ", "4x3 #0000ff:  (2)"]
"""What the model without weights calls the classes of ``BLUE``, of which it has as many as are asked for."""

ASKED = pytest.mark.parametrize(
    ("model", "labels", "ranked"),
    [("labels", LABELS, LABELS[::-1]), ("classes", [], CLASSES)],
    ids=["labels", "classes"],
)


@ASKED
def test_triton_gets_labels_ranked_for_each_picture(
    tasks_server: Server, model: str, labels: list[str], ranked: list[str]
):
    inputs = []
    for name, values in (("image", [BLUE, encoded("#0000fe"), BLUE]), ("labels", [label.encode() for label in labels])):
        tensor = triton.InferInput(name, [len(values)], "BYTES")
        tensor.set_data_from_numpy(np.array(values, dtype=object))
        inputs += [tensor] if values else []
    outputs = [triton.InferRequestedOutput("label"), triton.InferRequestedOutput("score", binary_data=False)]
    with triton.InferenceServerClient(urlsplit(tasks_server.client.addresses.inference).netloc) as client:
        reply = client.infer(model, inputs, outputs=outputs, headers=tasks_server.client.header("inference"))
    rows = [[label.decode() for label in row][:2] for row in reply.as_numpy("label").tolist()]
    assert rows[0] == rows[2] == ranked
    assert rows[1] != ranked
    assert reply.as_numpy("score").shape == reply.as_numpy("label").shape


def test_the_client_of_the_hub_sends_candidate_labels(tasks_server: Server):
    url = f"{tasks_server.client.addresses.inference}/predictions/labels"
    client = InferenceClient(url, token=tasks_server.client.token("inference"))
    found = client.zero_shot_image_classification(BLUE, candidate_labels=LABELS)
    assert [one.label for one in found] == LABELS[::-1]


@pytest.mark.parametrize("top_k", [None, 2], ids=["the bare picture", "JSON"])
def test_the_client_of_the_hub_classifies_a_picture(tasks_server: Server, top_k: int | None):
    url = f"{tasks_server.client.addresses.inference}/predictions/classes"
    client = InferenceClient(url, token=tasks_server.client.token("inference"))
    found = client.image_classification(BLUE, top_k=top_k)
    assert [one.label for one in found][:2] == CLASSES
    assert len(found) == top_k or top_k is None


@pytest.mark.parametrize(
    ("model", "sent", "ranked"),
    [
        ("labels", ["-F", "image=@{}", "-F", f"labels={','.join(LABELS)}"], LABELS[::-1]),
        ("classes", ["-F", "image=@{}", "-F", "top_k=2"], CLASSES),
        ("classes", ["-T", "{}"], CLASSES),
    ],
    ids=["labels between commas", "a form with a picture", "an upload"],
)
def test_curl_gets_one_object(tasks_server: Server, tmp_path: Path, model: str, sent: list[str], ranked: list[str]):
    (tmp_path / "blue.png").write_bytes(BLUE)
    command = ["curl", "-s", "-H", f"@{tasks_server.auth_header}"]
    command += [word.format(tmp_path / "blue.png") for word in sent]
    url = f"{tasks_server.client.addresses.inference}/predictions/{model}"
    reply = json.loads(subprocess.run([*command, url], capture_output=True, check=True).stdout)
    assert reply["label"] == ranked[0]
    assert [one["label"] for one in reply["labels"]][:2] == ranked


KSERVE = """
import asyncio, base64, json, sys
import numpy as np
from kserve import InferenceRESTClient, InferInput, InferRequest, RESTConfig


async def ask(url, key, picture, model, labels):
    named = {"model_name": model, "headers": {"Authorization": f"Bearer {key}"}}
    body = {"instances": [{"image": {"b64": picture}, **({"labels": labels} if labels else {})}]}
    first = await InferenceRESTClient(RESTConfig(protocol="v1", retries=0)).infer(url, body, **named)
    inputs = []
    for name, values in (("image", [base64.b64decode(picture)]), ("labels", [label.encode() for label in labels])):
        if values:
            inputs.append(InferInput(name, [len(values)], "BYTES"))
            inputs[-1].set_data_from_numpy(np.array(values, dtype=object), binary_data=True)
    request = InferRequest(model_name=model, infer_inputs=inputs)
    second = await InferenceRESTClient(RESTConfig(protocol="v2", retries=0)).infer(url, request, **named)
    tensors = {one.name: one.as_numpy().tolist() for one in second.outputs}
    return [[one["label"] for one in first["predictions"][0]["labels"]], tensors["label"][0]]


url, key, picture, asked = json.loads(sys.stdin.read())
print(json.dumps([asyncio.run(ask(url, key, picture, *one)) for one in asked]))
"""
"""In a process of its own: kserve and tritonclient register the same protobuf names."""


def test_kserve_gets_labels_ranked_in_both_protocols(tasks_server: Server):
    client = tasks_server.client
    asked = [("labels", LABELS), ("classes", [])]
    given = json.dumps([client.addresses.inference, client.token("inference"), as_base64(BLUE), asked])
    done = subprocess.run([sys.executable, "-c", KSERVE], input=given, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (labels, classes) = json.loads(done.stdout.splitlines()[-1])
    assert labels == [LABELS[::-1], LABELS[::-1]]
    assert [ranked[:2] for ranked in classes] == [CLASSES, CLASSES]
