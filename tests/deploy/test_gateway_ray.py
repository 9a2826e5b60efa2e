"""The gateway in front of Ray Serve: what it asks of the model server beside requests of clients."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import openai
import pytest

from tests.deploy.test_gateway_canary import models, version_of
from tests.deploy.test_gateway_chat import CHAT, chat
from tests.support.gateways import ANSWER, RunningGateway, ask, check_error
from vqaops.gateway.routes import Route

pytestmark = pytest.mark.ray


@pytest.fixture
def client(ray_gateway: RunningGateway) -> Iterator[httpx.Client]:
    with ray_gateway.client() as client:
        yield client


def test_openais_client_lists_the_versions_and_asks_each_as_a_whole_and_as_a_stream(ray_gateway: RunningGateway):
    base, http = f"{ray_gateway.url}/v1", ray_gateway.client()
    with openai.OpenAI(base_url=base, api_key=ray_gateway.key, max_retries=0, http_client=http) as client:
        names = [model.id for model in client.models.list()]
        assert names == ["dummy", "dummy/1.0.0", "dummy/2.0.0"]
        for name in names:
            assert client.chat.completions.create(**chat(name)).choices[0].message.content == ANSWER
        parts = list(client.chat.completions.create(**chat("dummy/2.0.0"), stream=True))
    assert "".join(part.choices[0].delta.content or "" for part in parts if part.choices) == ANSWER


def test_the_command_starts_and_ends_a_canary(client: httpx.Client, ray_gateway: RunningGateway):
    try:
        started = models(ray_gateway, "canary", "dummy", "2.0.0", "--share", "100%")
        assert started.returncode == 0, started.stderr
        assert version_of(ask(client)) == "2.0.0"
        assert version_of(ask(client, "/predictions/dummy/1.0.0")) == "1.0.0"
        ended = models(ray_gateway, "canary", "dummy", "2.0.0", "--share", "0")
        assert ended.returncode == 0, ended.stderr
        assert version_of(ask(client)) == "1.0.0"
    finally:
        ray_gateway.nginx.routes.set("dummy", None)


def test_a_canary_that_is_not_served_fails_no_request(client: httpx.Client, ray_gateway: RunningGateway):
    try:
        ray_gateway.nginx.routes.set("dummy", Route("9.9.9", 1.0, "canary"))
        assert version_of(ask(client)) == "1.0.0"
    finally:
        ray_gateway.nginx.routes.set("dummy", None)


def test_errors_are_those_of_the_gateway_in_front_of_torchserve(client: httpx.Client):
    check_error(ask(client, headers={"Authorization": "Bearer x"}), 401)
    assert check_error(ask(client, "/predictions/nobody"), 404) == "ModelNotFoundException"
    assert check_error(client.post("/predictions/dummy", data={"question": "what?"}), 422) == "MissingImage"
    reply = client.post(CHAT, json=chat("nobody"))
    assert "the server has: dummy, dummy/1.0.0, dummy/2.0.0." in reply.json()["error"]["message"]
