"""The list of paths and methods, and spellings that attackers use to get around it."""

from __future__ import annotations

import json

import httpx
import pytest

from tests.support.gateways import ANSWER, RunningGateway, answer_of, ask, check_error
from vqaops.server.server import Server


@pytest.mark.parametrize(
    "path",
    [
        "/models",
        "/models/dummy",
        "/models?url=http://127.0.0.1:9/evil.mar",
        "//models",
        "/workflows",
        "/workflows?url=x.war",
        "/wfpredict/x",
        "/metrics",
        "/token?type=inference",
        "/invocations?model_name=dummy",
        "/api-description",
        "/error",
        "/shadow",
        "/management",
        "/management/models",
        "/management/models/dummy",
        "/predict",
        "/predictions",
        "/predictions/",
        "/predictions/dummy/../../models",
        "/predictions/..",
        "/predictions/dummy/..;/models",
        "/predictions/%2e%2e/models",
        "/predictions/..%2fmodels",
        "/models/../predictions/dummy",
        "/%6dodels",
        "/./models",
        "/predictions//dummy",
        "/PREDICTIONS/dummy",
        "/predictions/dummy%2f1.0.0",
        "/predictions/%252e%252e/models",
        "/predictions/./dummy",
        "/predictions/dummy/%2E",
        "/predictions/dummy%5c1.0.0",
        "/predictions/dummy%20",
        "/v1/models/dummy:explain",
        "/v2/models",
        "/v2/models/dummy/versions",
        "/v2/repository/models/dummy/load",
        "/v3/models/dummy",
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_path_that_is_not_listed_is_404(gateway: RunningGateway, method: str, path: str):
    head = f"{method} {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {gateway.key}\r\nContent-Length: 0\r\n\r\n"
    status, body = gateway.raw(head.encode())
    assert status == 404
    assert json.loads(body)["type"] == "ResourceNotFoundException"


@pytest.mark.parametrize(
    "path",
    [
        "/predictions/dummy/",
        "/predictions/%64ummy",
        "/predictions/dummy?top_k=1#fragment",
        "/v1/models/dummy%3Apredict",
        "/v1/models/dummy%3apredict/",
        "/v2/models/dummy/infer/",
        "/v2/models/dummy/versions/1%2E0%2E0/infer",
    ],
)
def test_other_spellings_of_a_path_are_the_same_path(client: httpx.Client, gateway: RunningGateway, path: str):
    head = f"POST {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {gateway.key}\r\nContent-Length: 0\r\n\r\n"
    status, body = gateway.raw(head.encode())
    assert (status, json.loads(body)["type"]) == (422, "MissingImage"), "it reached the model, without a picture"


@pytest.mark.parametrize(
    "path", ["/ping", "/ping/", "/v2/health/live", "/v2/health/ready/", "/v1/models", "/v2/models/dummy/ready"]
)
def test_head_is_answered_as_get_without_a_body(client: httpx.Client, path: str):
    reply = client.head(path)
    assert (reply.status_code, reply.content) == (200, b"")


def test_a_head_request_for_a_prediction_leaves_the_connection_usable(client: httpx.Client):
    assert client.head("/predictions/dummy").status_code == 422
    assert answer_of(ask(client)) == ANSWER


def test_a_query_is_not_part_of_the_path_and_is_not_passed_on(client: httpx.Client):
    assert answer_of(ask(client, "/predictions/dummy?next=..//../models&model_name=other")) == ANSWER


def test_a_zero_byte_in_a_path_is_400(gateway: RunningGateway):
    assert gateway.raw(b"GET /predictions/dummy%00 HTTP/1.1\r\nHost: x\r\n\r\n")[0] == 400


def test_an_absolute_address_in_the_request_line_is_read_as_its_path(gateway: RunningGateway):
    rest = f" HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {gateway.key}\r\nContent-Length: 0\r\n\r\n"
    assert gateway.raw(f"POST http://127.0.0.1:8081/models?url=x{rest}".encode())[0] == 404
    assert gateway.raw(f"POST http://127.0.0.1:8081/predictions/dummy{rest}".encode())[0] == 422


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("DELETE", "/predictions/dummy", "GET, HEAD, POST, PUT"),
        ("PATCH", "/predictions/dummy", "GET, HEAD, POST, PUT"),
        ("OPTIONS", "/predictions/dummy", "GET, HEAD, POST, PUT"),
        ("TRACE", "/predictions/dummy", "GET, HEAD, POST, PUT"),
        ("GET", "/explanations/dummy", "POST"),
        ("PUT", "/v1/models/dummy:predict", "POST"),
        ("GET", "/v2/models/dummy/infer", "POST"),
        ("POST", "/v2/models/dummy/ready", "GET, HEAD"),
        ("DELETE", "/v2/models/dummy", "GET, HEAD"),
        ("POST", "/ping", "GET, HEAD"),
        ("POST", "/", "GET, HEAD"),
        ("POST", "/v2/health/ready", "GET, HEAD"),
    ],
)
def test_another_method_is_405_with_the_allowed_ones(client: httpx.Client, method: str, path: str, allowed: str):
    reply = client.request(method, path)
    check_error(reply, 405)
    assert reply.headers["allow"] == allowed


def test_ping_needs_no_key_and_tells_only_the_status(gateway: RunningGateway):
    with gateway.client(key="") as balancer:
        del balancer.headers["Authorization"]
        reply = balancer.get("/ping")
    assert reply.json() == {"status": "Healthy"}


def test_torchserve_on_sockets_has_no_port_for_requests_over_http(torchserve: Server):
    process = torchserve.process()
    assert process
    connections = getattr(process, "net_connections", None) or process.connections  # the name changed in psutil 6
    listening = {one.laddr.port for one in connections("inet") if one.status == "LISTEN"}
    given = torchserve.properties
    assert listening == {
        int(given["metrics_address"].rpartition(":")[2]),
        int(given["grpc_inference_port"]),  # gRPC cannot be switched off; it wants the token too
        int(given["grpc_management_port"]),
    }
