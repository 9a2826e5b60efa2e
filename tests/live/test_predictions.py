"""Requests to a real TorchServe with the dummy family, whose answers name picture and question."""

from __future__ import annotations

import json
import random
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from tests.support.pictures import as_base64, encoded
from vqaops.errors import ServerError
from vqaops.server.client import Client
from vqaops.server.server import Server

HEXES = {"red": "ff0000", "lime": "00ff00", "blue": "0000ff", "white": "ffffff"}


@pytest.fixture(scope="module")
def client(dummy_server: Server) -> Client:
    return dummy_server.client


def post(client: Client, model: str = "dummy", **request: object) -> httpx.Response:
    request.setdefault("headers", client.header("inference"))
    return client.http.post(f"{client.addresses.inference}/predictions/{model}", **request)


def test_a_form_is_answered(client: Client):
    reply = post(client, files={"image": encoded()}, data={"question": "what?", "top_k": "2"})
    assert reply.status_code == 200
    assert reply.headers["content-type"] == "application/json"
    assert [answer["answer"] for answer in reply.json()["answers"]] == ["4x3 #ff0000: what?", "4x3 #ff0000: what? (2)"]


@pytest.mark.parametrize("prefix", ["", "data:image/png;base64,"])
def test_json_with_base64_is_answered(client: Client, prefix: str):
    reply = post(client, json={"image": prefix + as_base64(encoded("blue")), "question": "what?"})
    assert reply.json()["answer"] == "4x3 #0000ff: what?"


def test_a_version_can_be_named(client: Client):
    reply = post(client, "dummy/1.0.0", files={"image": encoded()}, data={"question": "what?"})
    assert reply.json()["model"] == {"name": "dummy", "version": "1.0.0"}


def test_questions_in_any_script_come_back_unchanged(client: Client):
    for question in ("¿Qué hay aquí?", "这是什么?", "ما هذا؟", "🐈 🪑?", 'quotes " and \\ end'):
        reply = post(client, files={"image": encoded()}, data={"question": question})
        assert reply.json()["answer"] == f"4x3 #ff0000: {question}"


def test_a_question_is_answered_in_its_one_spelling(client: Client):
    reply = post(client, files={"image": encoded()}, data={"question": "what\u2019s\u00ad this\u2028 here\uff1f"})
    assert reply.json()["answer"] == "4x3 #ff0000: what's this here?"


def test_several_questions_come_back_in_order(client: Client):
    questions = [f"question {index}" for index in range(32)]
    reply = post(client, json={"image": as_base64(encoded()), "questions": questions})
    assert [entry["answer"] for entry in reply.json()] == [f"4x3 #ff0000: {question}" for question in questions]


def test_concurrent_good_and_bad_requests_each_get_their_own_answer(client: Client):
    kinds = random.Random(7).choices(["good", "empty", "broken", "json", "missing"], k=300)

    def ask(index: int, kind: str) -> tuple[int, str]:
        colour = list(HEXES)[index % len(HEXES)]
        question = "" if kind == "empty" else f"question {index}"
        if kind == "json":
            reply = post(client, content=b'{"image": ', headers=client.header("inference"))
        elif kind == "missing":
            reply = post(client, data={"question": question})
        else:
            image = b"\xff\xd8 no picture" if kind == "broken" else encoded(colour)
            reply = post(client, files={"image": image}, data={"question": question})
        body = reply.json()
        return reply.status_code, body.get("answer") or body["type"]

    with ThreadPoolExecutor(16) as pool:
        replies = list(pool.map(ask, range(len(kinds)), kinds))
    expected = {
        "good": lambda index: (200, f"4x3 #{HEXES[list(HEXES)[index % len(HEXES)]]}: question {index}"),
        "empty": lambda _: (422, "InvalidQuestion"),
        "broken": lambda _: (422, "InvalidImage"),
        "json": lambda _: (400, "BadRequest"),
        "missing": lambda _: (422, "MissingImage"),
    }
    assert replies == [expected[kind](index) for index, kind in enumerate(kinds)]


def test_a_picture_of_8_mb_sent_twice_as_base64_is_answered(client: Client):
    # A BMP does not compress: 1600 x 1747 x 3 bytes are just under 8 MiB.
    text = as_base64(encoded("red", (1600, 1740), "BMP"))
    reply = post(client, json={"inputs": text, "image": text, "question": "what?"})
    assert (reply.status_code, reply.json()[0]["answer"]) == (200, "1600x1740 #ff0000: what?")


def test_a_phones_photograph_of_48_megapixels_is_answered(client: Client):
    reply = post(client, files={"image": encoded("red", (8064, 6048), "JPEG")}, data={"question": "what?"})
    assert (reply.status_code, reply.json()["answer"]) == (200, "2016x1512 #fe0000: what?")
    assert reply.json()["warnings"] == ["the picture was decoded at 2016 x 1512, 1/4 of its size"]


def test_a_picture_over_10_megapixels_is_refused(client: Client):
    reply = post(client, files={"image": encoded("red", (4000, 2501))}, data={"question": "what?"})
    assert (reply.status_code, reply.json()["type"]) == (422, "InvalidImage")


def test_a_body_over_the_servers_limit_is_refused_and_the_next_one_answered(client: Client):
    reply = post(client, content=b"x" * 35_651_585)
    assert reply.status_code == 413
    assert post(client, files={"image": encoded()}, data={"question": "what?"}).status_code == 200


@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer wrong"}])
def test_without_the_right_token_nothing_is_answered(client: Client, headers: dict):
    reply = post(client, files={"image": encoded()}, data={"question": "what?"}, headers=headers)
    assert (reply.status_code, reply.json()["type"]) == (400, "InvalidKeyException")


def test_the_inference_token_does_not_open_the_management_address(client: Client):
    reply = client.http.get(f"{client.addresses.management}/models", headers=client.header("inference"))
    assert reply.status_code == 400


def test_management_is_not_on_the_inference_port(client: Client):
    reply = client.http.get(f"{client.addresses.inference}/models", headers=client.header("management"))
    assert reply.status_code in (400, 404, 405)


@pytest.mark.parametrize("model", ["nothing", "dummy/9.9.9"])
def test_an_unknown_model_or_version_is_not_found(client: Client, model: str):
    reply = post(client, model, files={"image": encoded()}, data={"question": "what?"})
    assert reply.status_code == 404
    assert set(reply.json()) == {"code", "type", "message"}


def test_a_picture_by_url_is_refused_unless_the_recipe_lists_its_host(client: Client):
    reply = post(client, json={"image": "https://images.example.org/x.png", "question": "what?"})
    assert (reply.status_code, reply.json()["type"]) == (422, "InvalidImage")
    assert "this server fetches none" in reply.json()["message"]


def test_no_error_shows_a_stack_trace(client: Client):
    bodies = [post(client, content=content).text for content in (b"", b"[", b"\x00" * 9, b'{"image": 1}', b"{}")]
    assert not [body for body in bodies if "Traceback" in body or ".py" in body]


def test_a_describe_header_has_no_effect_on_a_prediction(client: Client):
    headers = {**client.header("inference"), "describe": "True"}
    reply = post(client, files={"image": encoded()}, data={"question": "what?"}, headers=headers)
    assert reply.json()["answer"] == "4x3 #ff0000: what?"


def test_describe_returns_the_settings_and_the_model_card(client: Client):
    url = f"{client.addresses.management}/models/dummy?customized=true"
    described = client.http.get(url, headers=client.header("management")).json()[0]["customizedMetadata"]
    described = json.loads(described) if isinstance(described, str) else described
    assert (described["task"], described["family"]) == ("visual_question_answering", "dummy")
    assert (described["precision"], described["model"]) == ("fp32", {"name": "dummy", "version": "1.0.0"})
    assert described["limits"]["max_image_pixels"] == 10_000_000
    assert "question" in described["request"]["properties"]
    assert described["cache"]["answers"].keys() == {"hits", "misses", "size", "limit"}
    assert described["card"] == {"metadata": {"license": "apache-2.0"}, "text": "# A recipe for tests\n"}


def test_metrics_are_served_as_prometheus_text(client: Client):
    text = client.http.get(f"{client.addresses.metrics}/metrics").text
    assert 'ts_inference_requests_total{model_name="dummy"' in text


def test_our_client_raises_the_servers_message(client: Client):
    with pytest.raises(ServerError, match=r"answered 422.*the question is empty"):
        client.ask("dummy", encoded(), "  ")
