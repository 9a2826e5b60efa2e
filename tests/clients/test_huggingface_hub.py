"""The real ``InferenceClient`` of huggingface_hub against a live server."""

from __future__ import annotations

import pytest
from huggingface_hub import InferenceClient
from huggingface_hub.errors import HfHubHTTPError

from tests.support.pictures import animated, as_base64, encoded
from vqaops.server.server import Server


@pytest.fixture(scope="module")
def client(any_server: Server) -> InferenceClient:
    server = any_server.client
    return InferenceClient(f"{server.addresses.inference}/predictions/dummy", token=server.token("inference"))


def test_visual_question_answering_returns_ranked_answers(client: InferenceClient):
    answers = client.visual_question_answering(encoded("blue"), "what colour?", top_k=3)
    assert [answer.answer for answer in answers][:2] == ["4x3 #0000ff: what colour?", "4x3 #0000ff: what colour? (2)"]
    assert [answer.score for answer in answers] == [0.5, 0.25, 0.125]


def test_the_best_answer_carries_the_pictures_warnings(client: InferenceClient):
    best, second = client.visual_question_answering(animated("blue"), "what?", top_k=2)
    assert best.answer == "4x3 #0000ff: what?"
    assert best["warnings"] == ["the picture has several frames or pages; only the first was used"]
    assert "warnings" not in second


def test_the_hubs_nested_inputs_are_answered(client: InferenceClient, any_server: Server):
    server = any_server.client
    reply = server.http.post(
        f"{server.addresses.inference}/predictions/dummy",
        headers=server.header("inference"),
        json={"inputs": {"image": as_base64(encoded()), "question": "what?"}, "parameters": {"top_k": 1}},
    )
    assert reply.json() == [{"answer": "4x3 #ff0000: what?", "score": 0.5}]


def test_the_clients_user_sees_why_a_picture_was_refused(client: InferenceClient):
    with pytest.raises(HfHubHTTPError, match="is not a JPEG, PNG"):
        client.visual_question_answering(b"no picture", "what?")
