"""One base URL for all models: the body of an OpenAI chat names the model."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Iterator

import httpx
import openai
import pytest
from PIL import Image

from tests.support.gateways import ANSWER, RunningGateway
from tests.support.pictures import as_base64, encoded, saved
from tests.support.waiting import until
from vqaops.gateway.routes import Route
from vqaops.server.server import Server

CHAT = "/v1/chat/completions"


def chat(model: object = "dummy", picture: bytes | None = None, **fields: object) -> dict:
    url = {"url": f"data:image/png;base64,{as_base64(picture or encoded())}"}
    parts = [{"type": "text", "text": "what?"}, {"type": "image_url", "image_url": url}]
    return {"messages": [{"role": "user", "content": parts}], "model": model, **fields}


def check_openai_error(reply: httpx.Response, code: int) -> str:
    assert reply.status_code == code, reply.text
    assert reply.headers["content-type"] == "application/json"
    error = reply.json()["error"]
    assert set(error) == {"message", "type", "code", "param"}
    return error["message"]


@pytest.fixture
def openai_client(gateway: RunningGateway) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(
        base_url=f"{gateway.url}/v1", api_key=gateway.key, max_retries=0, http_client=gateway.client()
    ) as client:
        yield client


@pytest.mark.parametrize(
    ("model", "answered_by"), [("dummy", "dummy/1.0.0"), ("dummy/1.0.0", "dummy/1.0.0"), ("dummy/2.0.0", "dummy/2.0.0")]
)
def test_the_body_names_the_model_that_answers(openai_client: openai.OpenAI, model: str, answered_by: str):
    completion = openai_client.chat.completions.create(**chat(model))
    assert completion.choices[0].message.content == ANSWER
    assert completion.model == answered_by


def test_openais_client_lists_what_can_be_asked_and_each_entry_can_be_asked(openai_client: openai.OpenAI):
    names = [model.id for model in openai_client.models.list()]
    assert names == ["dummy", "dummy/1.0.0", "dummy/2.0.0"]
    for name in names:
        assert openai_client.chat.completions.create(**chat(name)).choices[0].message.content == ANSWER
    assert openai_client.models.retrieve("dummy").id == "dummy"


@pytest.mark.parametrize(
    "model", ["nobody", "dummy/9.9.9", "dummy/1.0.0/v1", "../../models", "a b", "dummy?x=1", "ü" * 200]
)
def test_an_unknown_model_is_404_and_the_message_names_those_there_are(client: httpx.Client, model: str):
    message = check_openai_error(client.post(CHAT, json=chat(model)), 404)
    assert json.dumps(model[:100], ensure_ascii=False) in message
    assert "the server has: dummy, dummy/1.0.0, dummy/2.0.0." in message


@pytest.mark.parametrize("model", [None, "", 7, ["dummy"]])
def test_a_request_that_names_no_model_is_told_where_the_names_are(client: httpx.Client, model: object):
    assert "GET /v1/models" in check_openai_error(client.post(CHAT, json=chat(model)), 400)


@pytest.mark.parametrize("body", [b"", b"{", b"model=dummy", b"\xff\xfe", b"[]", b"null"])
def test_a_body_that_is_no_object_of_json_is_400(client: httpx.Client, body: bytes):
    check_openai_error(client.post(CHAT, content=body, headers={"Content-Type": "application/json"}), 400)


def test_a_compressed_body_is_refused_with_the_address_that_takes_it(client: httpx.Client):
    body = gzip.compress(json.dumps(chat()).encode())
    headers = {"Content-Type": "application/json", "Content-Encoding": "gzip"}
    assert "/predictions/<model>/<version>/v1" in check_openai_error(
        client.post(CHAT, content=body, headers=headers), 415
    )
    reply = client.post(f"/predictions/dummy/1.0.0{CHAT}", content=body, headers=headers)
    assert reply.json()["choices"][0]["message"]["content"] == ANSWER


def test_a_byte_order_mark_before_the_body_is_no_part_of_it(client: httpx.Client):
    body = b"\xef\xbb\xbf" + json.dumps(chat("dummy/2.0.0")).encode()  # as .NET's UTF-8 writes it
    reply = client.post(CHAT, content=body, headers={"Content-Type": "application/json"})
    assert reply.json()["model"] == "dummy/2.0.0"


@pytest.mark.parametrize("charset", ["utf-16", "utf-16-be", "utf-32"])
def test_a_body_in_another_charset_is_refused_with_the_address_that_takes_it(client: httpx.Client, charset: str):
    body = json.dumps(chat()).encode(charset)
    headers = {"Content-Type": f"application/json; charset={charset}"}
    message = check_openai_error(client.post(CHAT, content=body, headers=headers), 400)
    assert "UTF-8" in message
    assert "/predictions/<model>/<version>/v1" in message
    reply = client.post(f"/predictions/dummy/1.0.0{CHAT}", content=body, headers=headers)
    assert reply.json()["choices"][0]["message"]["content"] == ANSWER


def test_the_name_is_read_from_the_outermost_object_however_it_is_written(client: httpx.Client):
    body = json.dumps(chat("MODEL", metadata={"model": "nobody"})).replace('"MODEL"', '"\\u0064ummy"')
    headers = {"Content-Type": "application/json"}
    assert client.post(CHAT, content=body, headers=headers).json()["model"] == "dummy/1.0.0"


def test_a_body_in_chunks_and_one_of_megabytes_are_read(client: httpx.Client):
    noise = Image.effect_noise((2000, 2000), 100).convert("RGB")  # about 4 MB as PNG
    body = json.dumps(chat(picture=saved(noise))).encode()
    assert len(body) > 4_000_000
    pieces = (body[at : at + 100_000] for at in range(0, len(body), 100_000))
    for content in (body, pieces):
        reply = client.post(CHAT, content=content, headers={"Content-Type": "application/json"})
        assert reply.status_code == 200, reply.text
        assert reply.json()["choices"][0]["message"]["content"].startswith("2000x2000")


def test_without_a_key_or_over_a_limit_the_error_has_openais_shape(
    client: httpx.Client, torchserve: Server, new_gateway: Callable[..., RunningGateway]
):
    check_openai_error(client.post(CHAT, json=chat(), headers={"Authorization": "Bearer x"}), 401)
    check_openai_error(client.get(CHAT), 405)
    check_openai_error(client.post(CHAT, content=b"x" * 27_000_000), 413)
    strict = new_gateway(torchserve.run, own_folder=torchserve.run / "strict", requests_per_minute=1, burst=0)
    with strict.client() as hurried:
        replies = [hurried.post(CHAT, json=chat()) for _ in range(2)]
    assert replies[0].status_code == 200
    assert "too many requests" in check_openai_error(replies[1], 429)
    assert int(replies[1].headers["retry-after"]) > 0


def test_the_workers_and_torchserves_errors_have_openais_shape(client: httpx.Client, torchserve: Server):
    text = {"messages": [{"role": "user", "content": "what?"}], "model": "dummy"}
    assert "no picture" in check_openai_error(client.post(CHAT, json=text), 422)
    management = torchserve.client
    url = f"{management.addresses.management}/models/dummy/2.0.0"

    def scale(workers: int) -> None:
        query = {"min_worker": workers, "max_worker": workers, "synchronous": "true"}
        assert management.http.put(url, params=query, headers=management.header("management")).status_code == 200

    scale(0)
    try:
        message = check_openai_error(client.post(CHAT, json=chat("dummy/2.0.0")), 503)
    finally:
        scale(1)
    assert "worker" in message
    until(lambda: client.post(CHAT, json=chat("dummy/2.0.0")).status_code == 200, "the worker is back", 30)


def test_a_canary_answers_those_who_name_no_version(client: httpx.Client, gateway: RunningGateway):
    gateway.nginx.routes.set("dummy", Route("2.0.0", 1.0, "canary"))
    try:
        assert client.post(CHAT, json=chat("dummy")).json()["model"] == "dummy/2.0.0"
        assert client.post(CHAT, json=chat("dummy/1.0.0")).json()["model"] == "dummy/1.0.0"
    finally:
        gateway.nginx.routes.set("dummy", None)


def test_a_gateway_of_gateways_passes_the_chat_on(new_outer_gateway: Callable[..., RunningGateway]):
    with new_outer_gateway().client() as client:
        assert client.post(CHAT, json=chat("dummy/2.0.0")).json()["model"] == "dummy/2.0.0"
        assert "the server has" in check_openai_error(client.post(CHAT, json=chat("nobody")), 404)


def test_without_a_management_address_the_name_is_passed_on_unchecked(
    torchserve: Server, new_gateway: Callable[..., RunningGateway]
):
    alone = new_gateway(upstreams=[torchserve.properties["inference_address"]])
    with alone.client() as client:
        reply = client.post(CHAT, json=chat("nobody"))
    assert reply.status_code in (400, 404)  # TorchServe wants its token, which this gateway does not have
    check_openai_error(reply, reply.status_code)
