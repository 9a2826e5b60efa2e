"""The real ``openai`` client, and the Hugging Face client's chat, with the model's own address as ``base_url``."""

from __future__ import annotations

from collections.abc import Iterator

import openai
import pytest
from huggingface_hub import InferenceClient

from tests.support.pictures import animated, as_base64, encoded
from vqaops.server.server import Server


def asked(colour: str, question: str) -> list[dict]:
    url = {"url": f"data:image/png;base64,{as_base64(encoded(colour))}"}
    return [{"role": "user", "content": [{"type": "text", "text": question}, {"type": "image_url", "image_url": url}]}]


@pytest.fixture(scope="module")
def client(any_server: Server) -> Iterator[openai.OpenAI]:
    server = any_server.client
    base = f"{server.addresses.inference}/predictions/dummy/1.0.0/v1"
    with openai.OpenAI(base_url=base, api_key=server.token("inference"), max_retries=0) as client:
        yield client


def test_a_chat_completion_answers_the_question_about_the_picture(client: openai.OpenAI):
    completion = client.chat.completions.create(model="dummy", messages=asked("blue", "what?"), temperature=0.2)
    assert completion.choices[0].message.content == "4x3 #0000ff: what?"
    assert completion.model == "dummy/1.0.0"


def test_a_completion_carries_the_pictures_warnings(client: openai.OpenAI):
    url = "data:image/gif;base64," + as_base64(animated("blue"))
    parts = [{"type": "image_url", "image_url": {"url": url}}, {"type": "text", "text": "what?"}]
    reply = client.chat.completions.create(model="dummy", messages=[{"role": "user", "content": parts}])
    assert reply.choices[0].message.content == "4x3 #0000ff: what?"
    assert reply.model_extra["warnings"] == ["the picture has several frames or pages; only the first was used"]


def test_the_models_are_listed(client: openai.OpenAI):
    assert [model.id for model in client.models.list()] == ["dummy"]


def test_a_message_without_a_picture_is_refused_with_the_reason(client: openai.OpenAI):
    with pytest.raises(openai.UnprocessableEntityError, match="the request has no picture"):
        client.chat.completions.create(model="dummy", messages=[{"role": "user", "content": "what?"}])


def test_a_route_that_is_not_there_is_not_found(client: openai.OpenAI):
    with pytest.raises(openai.NotFoundError, match="there is no route"):
        client.embeddings.create(model="dummy", input="x")


def test_the_hugging_face_clients_chat_is_answered_too(any_server: Server):
    server = any_server.client
    url = f"{server.addresses.inference}/predictions/dummy/1.0.0"
    client = InferenceClient(model=url, token=server.token("inference"))
    completion = client.chat_completion(asked("red", "what?"))
    assert completion.choices[0].message.content == "4x3 #ff0000: what?"
