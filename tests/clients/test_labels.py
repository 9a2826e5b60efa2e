"""Candidate labels and pictures without a question, sent by the real clients of each format to a live server."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import pytest
import tritonclient.http as triton
from huggingface_hub import InferenceClient

from tests.support.pictures import as_base64, encoded
from tests.support.recipes import RecipeMaker
from vqaops.server.server import Server

LABELS = ["a red #ff0000 thing", "a blue #0000ff thing"]
BLUE = encoded("blue")


@pytest.fixture(scope="module")
def server(serve: Callable[..., Server], make_recipe: RecipeMaker) -> Server:
    sample = {"image": "red.png", "labels": ["#ff0000", "#00ff00"], "answers": ["#ff0000"]}
    return serve(make_recipe("labels", handler="  task: zero_shot_image_classification\n", sample=sample))


def test_triton_sends_labels_as_a_tensor_and_gets_them_ranked(server: Server):
    inputs = []
    for name, values in (("image", [BLUE]), ("labels", [label.encode() for label in LABELS])):
        tensor = triton.InferInput(name, [len(values)], "BYTES")
        tensor.set_data_from_numpy(np.array(values, dtype=object))
        inputs.append(tensor)
    with triton.InferenceServerClient(urlsplit(server.client.addresses.inference).netloc) as client:
        reply = client.infer("labels", inputs, headers=server.client.header("inference"))
    assert reply.as_numpy("label").tolist() == [LABELS[::-1]]
    assert reply.as_numpy("score").shape == (1, 2)


def test_the_client_of_the_hub_sends_candidate_labels(server: Server):
    url = f"{server.client.addresses.inference}/predictions/labels"
    client = InferenceClient(url, token=server.client.token("inference"))
    found = client.zero_shot_image_classification(BLUE, candidate_labels=LABELS)
    assert [one.label for one in found] == LABELS[::-1]


def test_curl_sends_labels_between_commas(server: Server, tmp_path: Path):
    (tmp_path / "blue.png").write_bytes(BLUE)
    token = server.client.token("inference")
    command = ["curl", "-s", "-H", f"Authorization: Bearer {token}", "-F", f"image=@{tmp_path / 'blue.png'}"]
    command += ["-F", f"labels={','.join(LABELS)}", f"{server.client.addresses.inference}/predictions/labels"]
    reply = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)
    assert reply["label"] == LABELS[1]
    assert [one["label"] for one in reply["labels"]] == LABELS[::-1]


KSERVE = """
import asyncio, base64, json, sys
import numpy as np
from kserve import InferenceRESTClient, InferInput, InferRequest, RESTConfig

url, key, picture, labels = json.loads(sys.stdin.read())
named = {"model_name": "labels", "headers": {"Authorization": f"Bearer {key}"}}
body = {"instances": [{"image": {"b64": picture}, "labels": labels}]}
first = asyncio.run(InferenceRESTClient(RESTConfig(protocol="v1", retries=0)).infer(url, body, **named))
image, texts = InferInput("image", [1], "BYTES"), InferInput("labels", [len(labels)], "BYTES")
image.set_data_from_numpy(np.array([base64.b64decode(picture)], dtype=object), binary_data=True)
texts.set_data_from_numpy(np.array([label.encode() for label in labels], dtype=object), binary_data=True)
request = InferRequest(model_name="labels", infer_inputs=[image, texts])
second = asyncio.run(InferenceRESTClient(RESTConfig(protocol="v2", retries=0)).infer(url, request, **named))
tensors = {one.name: one.as_numpy().tolist() for one in second.outputs}
print(json.dumps([[one["label"] for one in first["predictions"][0]["labels"]], tensors["label"][0]]))
"""
"""In a process of its own: kserve and tritonclient register the same protobuf names."""


def test_kserve_sends_labels_in_both_protocols(server: Server):
    given = json.dumps([server.client.addresses.inference, server.client.token("inference"), as_base64(BLUE), LABELS])
    done = subprocess.run([sys.executable, "-c", KSERVE], input=given, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1]) == [LABELS[::-1], LABELS[::-1]]
