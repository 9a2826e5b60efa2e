"""Cross-origin requests of browsers (CORS), which an operator allows by origin."""

from __future__ import annotations

from collections.abc import Callable

import httpx
import pytest

from tests.support.gateways import ANSWER, RunningGateway, answer_of, ask, check_error

ORIGIN = "https://app.example.org"
PREFLIGHT = {
    "Origin": ORIGIN,
    "Access-Control-Request-Method": "POST",
    "Access-Control-Request-Headers": "authorization,content-type",
}


@pytest.fixture(scope="module")
def browsers(gateway: RunningGateway, new_outer_gateway: Callable[..., RunningGateway]) -> RunningGateway:
    """A gateway that allows the pages of two origins."""
    return new_outer_gateway(cors_allowed_origins=[ORIGIN, "http://localhost:3000"])


def preflight(gateway: RunningGateway, path: str = "/predictions/dummy", **headers: str) -> httpx.Response:
    with gateway.client() as client:
        del client.headers["Authorization"]  # browsers send no key with a preflight
        return client.options(path, headers={**PREFLIGHT, **headers})


def test_by_default_no_origin_is_allowed(gateway: RunningGateway):
    reply = preflight(gateway)
    check_error(reply, 405)
    with gateway.client() as client:
        replies = [reply, ask(client, headers={"Origin": ORIGIN})]
    assert not [name for one in replies for name in one.headers if name.startswith("access-control-")]


def test_a_preflight_of_an_allowed_origin_says_what_may_be_sent(browsers: RunningGateway):
    reply = preflight(browsers)
    assert (reply.status_code, reply.content) == (204, b"")
    assert reply.headers["access-control-allow-origin"] == ORIGIN
    assert reply.headers["access-control-allow-methods"] == "GET, HEAD, POST, PUT"
    assert reply.headers["access-control-allow-headers"] == "authorization,content-type"
    assert reply.headers["access-control-max-age"] == "7200"
    assert reply.headers["vary"] == "Origin"


@pytest.mark.parametrize(
    ("path", "methods"),
    [
        ("/v1/models/dummy:predict", "POST"),
        ("/v2/models/dummy/infer", "POST"),
        ("/v2/models/dummy/versions/1.0.0/infer", "POST"),
        ("/v2/models/dummy", "GET, HEAD"),
        ("/v2/health/ready", "GET, HEAD"),
        ("/ping", "GET, HEAD"),
    ],
)
def test_a_preflight_names_the_methods_of_its_address(browsers: RunningGateway, path: str, methods: str):
    assert preflight(browsers, path).headers["access-control-allow-methods"] == methods


def test_the_headers_of_any_client_library_are_allowed(browsers: RunningGateway):
    wanted = "authorization, content-type, x-stainless-os, X-Request-Id"
    reply = preflight(browsers, **{"Access-Control-Request-Headers": wanted})
    assert reply.headers["access-control-allow-headers"] == wanted


def test_answers_and_errors_can_be_read_by_the_page(browsers: RunningGateway):
    with browsers.client() as client:
        answer = ask(client, headers={"Origin": "http://localhost:3000"})
        assert answer_of(answer) == ANSWER
        del client.headers["Authorization"]
        refused = ask(client, headers={"Origin": "http://localhost:3000"})
    check_error(refused, 401)
    for reply in (answer, refused):
        assert reply.headers["access-control-allow-origin"] == "http://localhost:3000"
        assert "X-Request-Id" in reply.headers["access-control-expose-headers"]


@pytest.mark.parametrize(
    "origin",
    ["https://other.example.org", "https://app.example.org.evil.example", "http://app.example.org", "null", ""],
)
def test_other_origins_are_not_allowed(browsers: RunningGateway, origin: str):
    reply = preflight(browsers, Origin=origin)
    check_error(reply, 405)
    assert "access-control-allow-origin" not in reply.headers


def test_an_asterisk_allows_every_origin(new_outer_gateway: Callable[..., RunningGateway]):
    reply = preflight(new_outer_gateway(cors_allowed_origins=["*"]))
    assert (reply.status_code, reply.headers["access-control-allow-origin"]) == (204, "*")
    assert "vary" not in reply.headers


def test_an_unknown_address_stays_unknown_to_a_preflight(browsers: RunningGateway):
    check_error(preflight(browsers, "/models"), 404)
