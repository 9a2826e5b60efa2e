"""Real clients, with a key and the gateway's certificate, in front of TorchServe and of Ray Serve."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import numpy as np
import openai
import pytest
import tritonclient.http as triton
from huggingface_hub import InferenceClient, close_session

from tests.support.gateways import ANSWER, RunningGateway
from tests.support.pictures import as_base64, encoded
from tests.support.waiting import until


@pytest.fixture
def client(any_gateway: RunningGateway) -> Iterator[httpx.Client]:
    with any_gateway.client() as client:
        yield client


def test_the_hugging_face_client_is_answered(any_gateway: RunningGateway, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("SSL_CERT_FILE", str(any_gateway.authority))
    close_session()
    client = InferenceClient(f"{any_gateway.url}/predictions/dummy", token=any_gateway.key)
    try:
        assert client.visual_question_answering(encoded("blue"), "what?")[0].answer == "4x3 #0000ff: what?"
    finally:
        close_session()


def test_the_openai_client_is_answered(any_gateway: RunningGateway):
    url = {"url": f"data:image/png;base64,{as_base64(encoded('blue'))}"}
    content = [{"type": "text", "text": "what?"}, {"type": "image_url", "image_url": url}]
    base = f"{any_gateway.url}/predictions/dummy/1.0.0/v1"
    with openai.OpenAI(
        base_url=base, api_key=any_gateway.key, max_retries=0, http_client=any_gateway.client()
    ) as client:
        completion = client.chat.completions.create(model="dummy", messages=[{"role": "user", "content": content}])
        assert completion.choices[0].message.content == "4x3 #0000ff: what?"
        assert [model.id for model in client.models.list()] == ["dummy"]


@pytest.mark.parametrize("path", ["/v1/models/dummy:predict", "/predictions/dummy/1.0.0"])
def test_kserve_v1_is_answered(client: httpx.Client, path: str):
    instance = {"image": {"b64": as_base64(encoded())}, "question": "what?"}
    reply = client.post(path, json={"instances": [instance]})
    assert reply.json()["predictions"][0]["answer"] == ANSWER


def test_kserve_v2_is_answered(client: httpx.Client):
    tensors = [("image", as_base64(encoded())), ("question", "what?")]
    inputs = [{"name": name, "shape": [1], "datatype": "BYTES", "data": [data]} for name, data in tensors]
    reply = client.post("/v2/models/dummy/infer", json={"inputs": inputs})
    assert reply.json()["outputs"][0]["data"][0] == ANSWER


def test_curl_uploads_a_file_by_put(any_gateway: RunningGateway, tmp_path: Path):
    (tmp_path / "red.png").write_bytes(encoded())
    key = tmp_path / "key"
    key.write_text(f"Authorization: Bearer {any_gateway.key}")
    command = ["curl", "-sS", "--cacert", str(any_gateway.authority), "-H", f"@{key}", "-T", str(tmp_path / "red.png")]
    done = subprocess.run(
        [*command, f"{any_gateway.url}/predictions/dummy"], capture_output=True, text=True, check=True
    )
    assert json.loads(done.stdout)["type"] == "InvalidQuestion"  # PUT arrives; this recipe has no default question


@pytest.fixture
def triton_client(any_gateway: RunningGateway) -> Iterator[triton.InferenceServerClient]:
    address, options = any_gateway.url.partition("//")[2], {"ca_certs": str(any_gateway.authority)}
    with triton.InferenceServerClient(address, ssl=True, ssl_options=options) as client:
        yield client


def test_tritonclients_questions_about_server_and_models_are_answered(
    triton_client: triton.InferenceServerClient, any_gateway: RunningGateway
):
    key = {"Authorization": f"Bearer {any_gateway.key}"}
    assert triton_client.is_server_live()
    assert triton_client.is_server_ready()
    assert triton_client.get_server_metadata(headers=key)["name"] == "vqaserve"
    assert triton_client.is_model_ready("dummy", headers=key)
    # Earlier tests stop and restart the worker of 2.0.0.
    until(lambda: triton_client.is_model_ready("dummy", "2.0.0", headers=key), "2.0.0 is ready", 30)
    assert not triton_client.is_model_ready("nobody", headers=key)
    assert not triton_client.is_model_ready("dummy", "9.9.9", headers=key)
    metadata = triton_client.get_model_metadata("dummy", headers=key)
    assert {one["name"] for one in metadata["inputs"]} == {"image", "question"}
    assert triton_client.get_model_metadata("dummy", "1.0.0", headers=key)["versions"] == ["1.0.0"]


@pytest.mark.parametrize(("version", "answered_by"), [("", "1.0.0"), ("2.0.0", "2.0.0")])
@pytest.mark.parametrize("compression", [None, "gzip", "deflate"])
def test_tritonclient_asks_a_version_compressed_or_not(
    triton_client: triton.InferenceServerClient,
    any_gateway: RunningGateway,
    version: str,
    answered_by: str,
    compression: str | None,
):
    inputs = [triton.InferInput(name, [1], "BYTES") for name in ("image", "question")]
    for tensor, value in zip(inputs, (encoded("blue"), b"what?"), strict=True):
        tensor.set_data_from_numpy(np.array([value], dtype=object))
    key = {"Authorization": f"Bearer {any_gateway.key}"}
    reply = triton_client.infer("dummy", inputs, version, headers=key, request_compression_algorithm=compression)
    assert reply.as_numpy("answer")[0, 0] == "4x3 #0000ff: what?"
    assert reply.get_response()["model_version"] == answered_by


KSERVE = """
import asyncio, json, sys
from kserve import InferenceRESTClient, RESTConfig

url, key, authority = json.loads(sys.stdin.read())
headers = {"Authorization": f"Bearer {key}"}


async def ask():
    for protocol in ("v1", "v2"):
        client = InferenceRESTClient(RESTConfig(protocol=protocol, retries=0, verify=authority))
        yield await client.is_server_live(url)
        if protocol == "v2":
            yield await client.is_server_ready(url)
        yield await client.is_model_ready(url, "dummy", headers=headers)


async def main():
    return [answer async for answer in ask()]


print(json.dumps(asyncio.run(main())))
"""


def test_kserves_questions_about_server_and_models_are_answered(any_gateway: RunningGateway):
    given = json.dumps([any_gateway.url, any_gateway.key, str(any_gateway.authority)])
    done = subprocess.run([sys.executable, "-c", KSERVE], input=given, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1]) == [True, True, True, True, True]
