"""Clients that people use talk about a picture: at the address of the model itself, and through the gateway."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path

import openai
import pytest
from huggingface_hub import InferenceClient, close_session

from tests.support.gateways import RunningGateway
from tests.support.pictures import encoded
from tests.support.writers import messages
from vqaops.paths import ROOT
from vqaops.server.server import Server

LENGTH = 12
GRADIO = ROOT / ".venv-demo" / "bin" / "python"


@dataclass(frozen=True)
class Address:
    """Where clients find the models.

    Attributes:
        base_url: OpenAI's.
        key: For the header Authorization.
        authority: File of the authority that signed the server's certificate, if it has one.
        model: Name of the model that writes.
    """

    base_url: str
    key: str
    authority: Path | None
    model: str

    @property
    def environment(self) -> dict[str, str]:
        """For clients in processes of their own."""
        trusted = {"SSL_CERT_FILE": str(self.authority)} if self.authority else {}
        return {**os.environ, **trusted, "LITELLM_LOCAL_MODEL_COST_MAP": "True", "GRADIO_ANALYTICS_ENABLED": "False"}


@pytest.fixture(params=["torchserve", "gateway"])
def address(request: pytest.FixtureRequest, writing_server: Server) -> Address:
    if request.param == "torchserve":
        server = writing_server.client
        base = f"{server.addresses.inference}/predictions/writer/1.0.0/v1"
        return Address(base, server.token("inference"), None, "writer")
    gateway: RunningGateway = request.getfixturevalue("writing_gateway")
    return Address(f"{gateway.url}/v1", gateway.key, gateway.authority, "writer/1.0.0")


@contextmanager
def openai_client(address: Address, monkeypatch: pytest.MonkeyPatch) -> Iterator[openai.OpenAI]:
    if address.authority:
        monkeypatch.setenv("SSL_CERT_FILE", str(address.authority))
    with openai.OpenAI(base_url=address.base_url, api_key=address.key, max_retries=0) as client:
        yield client


def test_openais_client_streams_what_it_gets_without_a_stream(address: Address, monkeypatch: pytest.MonkeyPatch):
    with openai_client(address, monkeypatch) as client:
        conversation = messages()
        for _ in range(2):  # the second turn follows the answer to the first
            asked = {"model": address.model, "messages": conversation, "max_tokens": LENGTH}
            whole = client.chat.completions.create(**asked)
            chunks = list(client.chat.completions.create(**asked, stream=True, stream_options={"include_usage": True}))
            text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
            assert text == whole.choices[0].message.content != ""
            reasons = [chunk.choices[0].finish_reason for chunk in chunks if chunk.choices]
            assert reasons[-1] == whole.choices[0].finish_reason == "length"
            assert chunks[-1].usage.completion_tokens == whole.usage.completion_tokens == LENGTH
            assert chunks[-1].usage.prompt_tokens == whole.usage.prompt_tokens
            reply = {"role": "assistant", "content": text}
            conversation = [*conversation, reply, {"role": "user", "content": "and now?"}]


def test_a_model_that_does_not_write_can_be_streamed_too(address: Address, monkeypatch: pytest.MonkeyPatch):
    one_shot = replace(address, base_url=address.base_url.replace("writer", "dummy"))
    asked = {"model": "dummy", "messages": messages()}
    with openai_client(one_shot, monkeypatch) as client, client.chat.completions.stream(**asked) as stream:
        contents = [event.delta for event in stream if event.type == "content.delta"]
        final = stream.get_final_completion()
    assert [text for text in contents if text] == ["40x30 #0000ff: what?"]
    assert final.choices[0].message.content == "40x30 #0000ff: what?"
    assert final.choices[0].finish_reason == "stop"


def test_the_hugging_face_client_streams_what_it_gets_without_a_stream(
    address: Address, monkeypatch: pytest.MonkeyPatch
):
    if address.authority:
        monkeypatch.setenv("SSL_CERT_FILE", str(address.authority))
    close_session()
    client = InferenceClient(base_url=address.base_url, api_key=address.key)
    try:
        conversation = messages()
        for _ in range(2):
            asked = {"messages": conversation, "model": address.model, "max_tokens": LENGTH}
            whole = client.chat_completion(**asked).choices[0].message.content
            chunks = list(client.chat_completion(**asked, stream=True))
            assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == whole != ""
            reply = {"role": "assistant", "content": whole}
            conversation = [*conversation, reply, {"role": "user", "content": "and now?"}]
    finally:
        close_session()


def test_the_models_are_listed_for_the_client_that_asks_them(address: Address, monkeypatch: pytest.MonkeyPatch):
    with openai_client(address, monkeypatch) as client:
        assert address.model in [model.id for model in client.models.list()]


LITELLM = """
import json, sys
import litellm

given = json.loads(sys.stdin.read())
told = []
for _ in range(2):
    asked = {"model": "openai/" + given["model"], "api_base": given["base_url"], "api_key": given["key"],
             "messages": given["messages"], "max_tokens": given["length"], "num_retries": 0}
    whole = litellm.completion(**asked).choices[0].message.content
    chunks = litellm.completion(**asked, stream=True)
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks)
    told.append([whole, text])
    given["messages"] += [{"role": "assistant", "content": text}, {"role": "user", "content": "and now?"}]
print(json.dumps(told))
"""


def given_to(address: Address, **more: object) -> str:
    given = {"base_url": address.base_url, "key": address.key, "model": address.model, "length": LENGTH, **more}
    return json.dumps(given)


def told_by(python: Path | str, script: str, address: Address, **more: object) -> list:
    done = subprocess.run(
        [python, "-c", script],
        input=given_to(address, **more),
        capture_output=True,
        text=True,
        timeout=300,
        env=address.environment,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.skipif(find_spec("litellm") is None, reason="litellm is not installed; make install")
def test_litellm_streams_what_it_gets_without_a_stream(address: Address):
    told = told_by(sys.executable, LITELLM, address, messages=messages())
    assert len(told) == 2
    assert all(whole == text != "" for whole, text in told)


LOAD_CHAT = """
import inspect, json, sys
import gradio as gr
from gradio_client import Client, handle_file

given = json.loads(sys.stdin.read())
told = []
for streaming in (True, False):
    page = gr.load_chat(given["base_url"], model=given["model"], token=given["key"], file_types=["image"],
                        streaming=streaming, api_name="chat")
    _, url, _ = page.launch(prevent_thread_lock=True, server_name="127.0.0.1", share=False, quiet=True)
    message = {"text": "what?", "files": [handle_file(given["picture"])]}
    first = Client(url, verbose=False).predict(message=message, api_name="/chat")
    # As the browser sends it; gradio_client's own history is not one that Gradio 6.31 reads.
    shown = [{"type": "file", "file": {"path": given["picture"]}}, {"type": "text", "text": "what?"}]
    history = [{"role": "user", "content": shown},
               {"role": "assistant", "content": [{"type": "text", "text": first}]}]
    second = page.fn({"text": "and now?", "files": []}, history)
    told.append([first, list(second)[-1] if inspect.isgenerator(second) else second])
    page.close()
print(json.dumps(told))
"""


def can_load_chat() -> bool:
    check = [GRADIO, "-c", "import gradio, openai"]
    return GRADIO.exists() and subprocess.run(check, capture_output=True).returncode == 0


def test_gradios_load_chat_shows_the_same_with_and_without_streams(address: Address, tmp_path: Path):
    if not can_load_chat():
        pytest.skip("there is no environment with gradio and openai; make .venv-demo/.ready")
    picture = tmp_path / "blue.png"
    picture.write_bytes(encoded("blue", (40, 30)))
    streamed, whole = told_by(GRADIO, LOAD_CHAT, address, picture=str(picture))
    assert streamed == whole
    assert all(streamed)
