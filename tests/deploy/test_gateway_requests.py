"""Requests at the edges of HTTP: unencrypted, smuggled, too large, compressed, in old versions."""

from __future__ import annotations

import gzip
import json
import socket
import ssl
import zlib

import httpx
import pytest

from tests.support.gateways import ANSWER, RunningGateway, answer_of, check_error
from tests.support.pictures import as_base64, encoded
from vqaops.server.server import Server


def test_plain_http_on_the_tls_port_is_400_with_the_reason(gateway: RunningGateway):
    with httpx.Client(trust_env=False) as plain:
        reply = plain.post(f"http://127.0.0.1:{gateway.port}/predictions/dummy", content=b"x")
    check_error(reply, 400)
    assert "https://" in reply.json()["message"]


def test_tls_1_2_is_refused(gateway: RunningGateway):
    old = gateway.tls()
    old.maximum_version = ssl.TLSVersion.TLSv1_2
    with socket.create_connection(("127.0.0.1", gateway.port), timeout=60) as plain, pytest.raises(ssl.SSLError):
        old.wrap_socket(plain, server_hostname="localhost")


def test_headers_over_the_limit_are_431(gateway: RunningGateway):
    head = "GET /ping HTTP/1.1\r\nHost: x\r\nX-Large: {}\r\n\r\n"
    status, body = gateway.raw(head.format("a" * 9000).encode())
    assert (status, json.loads(body)["code"]) == (431, 431)


def test_a_request_line_that_is_too_long_is_414(gateway: RunningGateway):
    status, body = gateway.raw(f"GET /ping?{'a' * 9000} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    assert (status, json.loads(body)["code"]) == (414, 414)


def test_a_body_over_torchserves_limit_is_413_before_it_is_sent(
    gateway: RunningGateway, torchserve: Server, client: httpx.Client
):
    most = int(torchserve.properties["max_request_size"])
    head = f"POST /predictions/dummy HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {gateway.key}\r\n"
    status, body = gateway.raw(f"{head}Content-Length: {most + 1}\r\n\r\n".encode())
    assert (status, json.loads(body)["code"]) == (413, 413)
    assert check_error(client.post("/predictions/dummy", content=(b"x" * 65536 for _ in range(most // 65536 + 2))), 413)


def test_a_client_that_waits_for_100_continue_sends_nothing_of_a_body_that_is_too_large(
    gateway: RunningGateway, torchserve: Server
):
    most = int(torchserve.properties["max_request_size"])
    head = f"POST /predictions/dummy HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {gateway.key}\r\n"
    status, body = gateway.raw(f"{head}Content-Length: {most + 1}\r\nExpect: 100-continue\r\n\r\n".encode())
    assert (status, json.loads(body)["code"]) == (413, 413), "and not 100"


@pytest.mark.parametrize("megabytes", [27, 50])
def test_a_client_that_sends_its_whole_body_first_sees_the_413(client: httpx.Client, megabytes: int):
    for _ in range(2):
        check_error(client.post("/predictions/dummy", content=bytes(megabytes * 1024 * 1024)), 413)


def test_an_explanation_is_given_as_numbers_and_as_a_picture(client: httpx.Client):
    form = {"files": {"image": encoded()}, "data": {"question": "what?"}}
    assert client.post("/explanations/dummy", **form).json()["explanation"]["answer"] == ANSWER
    picture = client.post("/explanations/dummy", **form, headers={"Accept": "image/png"})
    assert (picture.status_code, picture.headers["content-type"]) == (200, "image/png")
    check_error(client.post("/explanations/dummy", files={"image": encoded()}), 422)


def test_http_1_0_is_answered(gateway: RunningGateway):
    question = json.dumps({"image": as_base64(encoded()), "question": "what?"})
    head = f"POST /predictions/dummy HTTP/1.0\r\nAuthorization: Bearer {gateway.key}\r\nContent-Length: {len(question)}"
    status, body = gateway.raw(f"{head}\r\nContent-Type: application/json\r\n\r\n{question}".encode())
    assert (status, json.loads(body)["answer"]) == (200, ANSWER)


@pytest.mark.parametrize(
    ("request_line", "code"),
    [
        ("GET /ping HTTP/2.5", 505),
        ("get /ping HTTP/1.1", 400),
        ("OPTIONS * HTTP/1.1", 400),
        ("CONNECT x:443 HTTP/1.1", 400),
        ("GET ping HTTP/1.1", 400),
    ],
)
def test_a_request_line_that_nginx_refuses_gets_an_error_with_our_keys(
    gateway: RunningGateway, request_line: str, code: int
):
    status, body = gateway.raw(f"{request_line}\r\nHost: x\r\n\r\n".encode())
    assert (status, json.loads(body)["code"]) == (code, code)


@pytest.mark.parametrize("coding", ["gzip", "deflate", "GZIP", "x-gzip", "identity"])
def test_a_compressed_body_is_answered(client: httpx.Client, coding: str):
    body = json.dumps({"image": as_base64(encoded()), "question": "what?"}).encode()
    packed = {"deflate": zlib.compress, "identity": bytes}.get(coding, gzip.compress)(body)
    headers = {"Content-Type": "application/json", "Content-Encoding": coding}
    assert answer_of(client.post("/predictions/dummy", content=packed, headers=headers)) == ANSWER


@pytest.mark.parametrize(
    ("coding", "body", "status"),
    [
        ("br", b"x", 415),
        ("zstd", b"x", 415),
        ("compress", b"x", 415),
        ("gzip", b'{"question": "what?"}', 400),
        ("gzip", gzip.compress(bytes(50_000_000)), 413),
        ("deflate", zlib.compress(bytes(50_000_000)), 413),
    ],
)
def test_a_body_that_cannot_be_unpacked_within_limits_is_refused_with_the_reason(
    client: httpx.Client, coding: str, body: bytes, status: int
):
    headers = {"Content-Type": "application/json", "Content-Encoding": coding}
    reply = client.post("/predictions/dummy", content=body, headers=headers)
    check_error(reply, status)
    assert coding in reply.json()["message"]


SMUGGLED = b"0\r\n\r\nGET /models HTTP/1.1\r\nHost: x\r\n\r\n"


@pytest.mark.parametrize(
    "headers",
    [
        b"Content-Length: 38\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"Transfer-Encoding: chunked\r\nContent-Length: 38\r\n\r\n",
        b"Content-Length: 5\r\nContent-Length: 38\r\n\r\n",
        b"Content-Length: 5\r\nContent-Length: 5\r\n\r\n",
        b"Content-Length: 38, 5\r\n\r\n",
        b"Content-Length: +38\r\n\r\n",
        b"Content-Length: -1\r\n\r\n",
        b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n",
        b"Transfer-Encoding : chunked\r\n\r\n",
        b"Transfer-Encoding: xchunked\r\n\r\n",
        b"Transfer-Encoding:\x0bchunked\r\n\r\n",
        b"X: a\r\n folded: b\r\nContent-Length: 0\r\n\r\n",
        b"X: a\0b\r\nContent-Length: 0\r\n\r\n",
    ],
)
def test_an_ambiguous_request_is_refused_and_nothing_after_it_is_read(gateway: RunningGateway, headers: bytes):
    start = f"POST /predictions/dummy HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {gateway.key}\r\n".encode()
    status, body = gateway.raw(start + headers + SMUGGLED)
    assert status in {400, 501}
    assert json.loads(body)["code"] == status


@pytest.mark.parametrize(
    "headers",
    [
        b"Content-Length: 38\nX: bare line feeds\n\n",
        b"Transfer_Encoding: chunked\r\nContent-Length: 38\r\n\r\n",
        b"X-Content-Length: 5\r\nContent-Length: 38\r\n\r\n",
    ],
)
def test_a_request_that_nginx_reads_leniently_reaches_torchserve_as_one_request(
    gateway: RunningGateway, headers: bytes
):
    start = f"POST /predictions/nobody HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {gateway.key}\r\n".encode()
    status, body = gateway.raw(start + headers + SMUGGLED)
    assert (status, json.loads(body)["type"]) == (404, "ModelNotFoundException")


def test_torchserve_gets_no_header_that_it_does_not_need(client: httpx.Client):
    # `describe: True` on an empty request would be answered with the model's description.
    headers = {"describe": "True", "explain": "True", "X-Forwarded-For": "1", "Cookie": "a=b"}
    reply = client.post("/predictions/dummy", headers=headers)
    assert check_error(reply, 422) == "MissingImage"
