"""Real clients, with a key and the gateway's authority."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import httpx
import openai
import pytest
from huggingface_hub import InferenceClient, close_session

from tests.support.gateways import ANSWER, RunningGateway
from tests.support.pictures import as_base64, encoded


def test_the_hugging_face_client_asks_through_it(gateway: RunningGateway, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("SSL_CERT_FILE", str(gateway.authority))
    close_session()
    client = InferenceClient(f"{gateway.url}/predictions/dummy", token=gateway.key)
    try:
        assert client.visual_question_answering(encoded("blue"), "what?")[0].answer == "4x3 #0000ff: what?"
    finally:
        close_session()


def test_the_openai_client_asks_through_it(gateway: RunningGateway):
    url = {"url": f"data:image/png;base64,{as_base64(encoded('blue'))}"}
    content = [{"type": "text", "text": "what?"}, {"type": "image_url", "image_url": url}]
    base = f"{gateway.url}/predictions/dummy/1.0.0/v1"
    with openai.OpenAI(base_url=base, api_key=gateway.key, max_retries=0, http_client=gateway.client()) as client:
        completion = client.chat.completions.create(model="dummy", messages=[{"role": "user", "content": content}])
        assert completion.choices[0].message.content == "4x3 #0000ff: what?"
        assert [model.id for model in client.models.list()] == ["dummy"]


@pytest.mark.parametrize("path", ["/v1/models/dummy:predict", "/predictions/dummy/1.0.0"])
def test_kserve_v1_is_answered_through_it(client: httpx.Client, path: str):
    instance = {"image": {"b64": as_base64(encoded())}, "question": "what?"}
    reply = client.post(path, json={"instances": [instance]})
    assert reply.json()["predictions"][0]["answer"] == ANSWER


def test_kserve_v2_is_answered_through_it(client: httpx.Client):
    tensors = [("image", as_base64(encoded())), ("question", "what?")]
    inputs = [{"name": name, "shape": [1], "datatype": "BYTES", "data": [data]} for name, data in tensors]
    reply = client.post("/v2/models/dummy/infer", json={"inputs": inputs})
    assert reply.json()["outputs"][0]["data"][0] == ANSWER


def test_curl_uploads_a_file_by_put(gateway: RunningGateway, tmp_path: Path):
    (tmp_path / "red.png").write_bytes(encoded())
    key = tmp_path / "key"
    key.write_text(f"Authorization: Bearer {gateway.key}")
    command = ["curl", "-sS", "--cacert", str(gateway.authority), "-H", f"@{key}", "-T", str(tmp_path / "red.png")]
    done = subprocess.run([*command, f"{gateway.url}/predictions/dummy"], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout)["type"] == "InvalidQuestion"  # PUT arrives; this recipe has no default question
