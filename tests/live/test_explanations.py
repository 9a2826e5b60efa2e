"""``/explanations/<model>`` of a real TorchServe, beside predictions in the same batches."""

from __future__ import annotations

import io
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from PIL import Image

from tests.support.pictures import as_base64, encoded
from vqaops.server.client import Client
from vqaops.server.server import Server

ANSWER = "4x3 #ff0000: what is it?"


@pytest.fixture(scope="module")
def client(dummy_server: Server) -> Client:
    return dummy_server.client


def post(client: Client, path: str = "/explanations/dummy", accept: str = "*/*", **request: object) -> httpx.Response:
    headers = {**client.header("inference"), "Accept": accept}
    return client.http.post(f"{client.addresses.inference}{path}", headers=headers, **request)


def form(**fields: str) -> dict[str, object]:
    return {"files": {"image": encoded()}, "data": {"question": "what is it?", **fields}}


def test_an_explanation_has_the_answer_a_map_and_the_words(client: Client):
    reply = post(client, **form()).json()
    assert reply["answer"] == ANSWER
    explained = reply["explanation"]
    assert (explained["answer"], explained["score"]) == (ANSWER, 0.5)
    assert [len(row) for row in explained["grid"]] == [explained["columns"]] * explained["rows"]
    assert [one["word"] for one in explained["words"]] == ["what", "is", "it?"]


def test_a_version_can_be_named(client: Client):
    assert post(client, "/explanations/dummy/1.0.0", **form()).json()["explanation"]["answer"] == ANSWER


def test_every_format_is_explained(client: Client):
    image = as_base64(encoded())
    for body in (
        {"image": image, "question": "what is it?"},
        {"inputs": {"image": image, "question": "what is it?"}},
        {"instances": [{"image": image, "question": "what is it?"}]},
    ):
        assert post(client, json=body).json()["explanation"]["answer"] == ANSWER


def test_a_picture_of_the_map_comes_to_who_accepts_one(client: Client):
    reply = post(client, accept="image/png", **form())
    assert reply.headers["content-type"] == "image/png"
    assert Image.open(io.BytesIO(reply.content)).size == (4, 3)


def test_an_explanation_that_cannot_be_given_is_one_clear_error(client: Client):
    reply = post(client, **form(answer="a unicorn"))
    assert (reply.status_code, reply.json()["type"]) == (422, "InvalidParameter")
    reply = post(client, data={"question": "what?"})
    assert (reply.status_code, reply.json()["type"]) == (422, "MissingImage")


def test_predictions_beside_explanations_are_as_always(client: Client):
    def ask(number: int) -> bool:
        explained = number % 2 == 0
        reply = post(client, "/explanations/dummy" if explained else "/predictions/dummy", **form()).json()
        return reply["answer"] == ANSWER and ("explanation" in reply) == explained

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(ask, range(40)))
