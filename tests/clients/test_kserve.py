"""The real client of ``kserve``, protocols v1 and v2, against a live server.

It runs in a process of its own: kserve and tritonclient register the same protobuf names.
"""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from tests.support.pictures import animated, as_base64, encoded
from vqaops.server.server import Server

V1 = """
import asyncio, json, sys
from kserve import InferenceRESTClient, RESTConfig

url, key, instances = json.loads(sys.stdin.read())
client = InferenceRESTClient(RESTConfig(protocol="v1", retries=0))
reply = asyncio.run(
    client.infer(url, {"instances": instances}, model_name="dummy", headers={"Authorization": f"Bearer {key}"})
)
print(json.dumps(reply))
"""

V2 = """
import asyncio, base64, json, sys
import numpy as np
from kserve import InferenceRESTClient, InferInput, InferRequest, RESTConfig

url, key, pictures, questions, binary = json.loads(sys.stdin.read())
files = [base64.b64decode(picture) if binary else picture.encode() for picture in pictures]
image = InferInput("image", [len(files)], "BYTES")
image.set_data_from_numpy(np.array(files, dtype=object), binary_data=binary)
question = InferInput("question", [len(questions)], "BYTES")
question.set_data_from_numpy(np.array([text.encode() for text in questions], dtype=object), binary_data=binary)
client = InferenceRESTClient(RESTConfig(protocol="v2", retries=0))
request = InferRequest(model_name="dummy", infer_inputs=[image, question], parameters={"top_k": 2})
reply = asyncio.run(client.infer(url, request, model_name="dummy", headers={"Authorization": f"Bearer {key}"}))
tensors = {one.name: one.as_numpy().tolist() for one in reply.outputs}
print(json.dumps({**tensors, "parameters": reply.parameters}))
"""


def run(script: str, server: Server, *arguments: object) -> dict:
    client = server.client
    given = json.dumps([client.addresses.inference, client.token("inference"), *arguments])
    done = subprocess.run([sys.executable, "-c", script], input=given, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_v1_instances_are_answered_in_order_each_with_its_own_error(any_server: Server):
    pictures = [{"image": {"b64": as_base64(encoded(colour))}, "question": "q"} for colour in ("red", "blue")]
    reply = run(V1, any_server, [pictures[0], {"question": "no picture"}, pictures[1]])
    first, second, third = reply["predictions"]
    assert (first["answer"], third["answer"]) == ("4x3 #ff0000: q", "4x3 #0000ff: q")
    assert second["type"] == "MissingImage"


@pytest.mark.parametrize("binary", [True, False])
def test_v2_tensors_are_answered_in_order(any_server: Server, binary: bool):
    pictures = [as_base64(encoded(colour)) for colour in ("red", "blue")]
    reply = run(V2, any_server, pictures, ["a", "b"], binary)
    assert [row[0] for row in reply["answer"]] == ["4x3 #ff0000: a", "4x3 #0000ff: b"]
    assert reply["score"] == [[0.5, 0.25], [0.5, 0.25]]


def test_v2_warnings_reach_the_client_as_a_parameter(any_server: Server):
    reply = run(V2, any_server, [as_base64(encoded()), as_base64(animated("blue"))], ["a", "b"], True)
    assert reply["answer"][1][0] == "4x3 #0000ff: b"
    assert reply["parameters"] == {"warnings": "1: the picture has several frames or pages; only the first was used"}
