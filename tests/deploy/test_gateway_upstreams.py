"""Upstreams that answer, refuse or are down; the replies' headers and the access log."""

from __future__ import annotations

import json
import time
from collections.abc import Callable

import httpx

from tests.support.gateways import ANSWER, RunningGateway, answer_of, ask, check_error
from tests.support.waiting import until
from vqaops.server.ports import free_ports
from vqaops.server.server import Server


def metrics_of(server: Server) -> str:
    return server.client.http.get(f"{server.client.addresses.metrics}/metrics").text


def test_an_upstream_that_is_down_fails_no_request(new_outer_gateway: Callable[..., RunningGateway]):
    outer = new_outer_gateway(f"https://127.0.0.1:{free_ports(1)[0]}")
    with outer.client() as client:
        assert [answer_of(ask(client)) for _ in range(12)] == [ANSWER] * 12


def test_with_every_upstream_down_the_error_is_502_with_retry_after(
    new_gateway: Callable[..., RunningGateway],
):
    dead = new_gateway(upstreams=[f"unix:/tmp/nobody-{port}.sock" for port in free_ports(2)])
    with dead.client() as client:
        reply = ask(client)
        assert check_error(reply, 502) == "ServiceUnavailableException"
        assert reply.headers["retry-after"] == "1"
        check_error(client.get("/ping"), 502)


def test_a_503_of_torchserve_gets_retry_after_from_the_gateway(torchserve: Server, client: httpx.Client):
    management = torchserve.client
    scale = f"{management.addresses.management}/models/dummy/2.0.0?max_worker={{0}}&min_worker={{0}}&synchronous=true"
    header = management.header("management")
    try:
        assert management.http.put(scale.format(0), headers=header).status_code == 200
        reply = ask(client, "/predictions/dummy/2.0.0")
        assert check_error(reply, 503) == "ServiceUnavailableException"
        assert reply.headers["retry-after"] == "1"
    finally:
        assert management.http.put(scale.format(1), headers=header).status_code == 200


def test_a_safe_request_id_is_kept_and_any_other_is_replaced(gateway: RunningGateway, client: httpx.Client):
    assert ask(client, headers={"X-Request-Id": "order-66:b"}).headers["x-request-id"] == "order-66:b"
    for bad in ("with space", "a" * 200, 'quote"', "<script>"):
        given = ask(client, headers={"X-Request-Id": bad}).headers.get_list("x-request-id")
        assert len(given) == 1
        assert len(given[0]) == 32


def test_the_gateway_sets_the_time_of_arrival_and_deadlines_count_from_it(torchserve: Server, client: httpx.Client):
    early = {"X-Request-Start": "t=1"}  # which a client cannot set
    assert answer_of(ask(client, headers={**early, "X-Timeout-Ms": "60000"})) == ANSWER
    assert check_error(ask(client, headers={**early, "X-Timeout-Ms": "0"}), 504) == "DeadlineExceeded"
    until(lambda: "vqa_queue_seconds_count{" in metrics_of(torchserve), "TorchServe counts, after its reply", 60)


def test_the_access_log_has_the_keys_name_and_both_ids_but_no_key_and_no_question(
    gateway: RunningGateway, client: httpx.Client
):
    ask(client, question="is it a secret?", headers={"X-Request-Id": "logged-1"})
    deadline, found = time.monotonic() + 60, []  # nginx writes the line after the reply
    while not found:
        assert time.monotonic() < deadline
        log = (gateway.nginx.folder / "logs" / "access.log").read_text()
        lines = [line for line in log.splitlines(keepends=True) if line.endswith("\n")]
        found = [entry for entry in map(json.loads, lines) if entry["id"] == "logged-1"]
    (entry,) = found
    assert (entry["key"], entry["status"], entry["path"]) == (gateway.name, 200, "/predictions/dummy")
    assert len(entry["torchserve_id"]) == 36
    assert gateway.key not in log
    assert "secret" not in log


def test_every_reply_has_the_security_headers_and_none_names_nginxs_version(client: httpx.Client):
    for reply in (ask(client), client.get("/nowhere")):
        assert reply.headers["x-content-type-options"] == "nosniff"
        assert reply.headers["cache-control"] == "no-store"
        assert "max-age" in reply.headers["strict-transport-security"]
        assert reply.headers["server"] == "nginx"


def test_the_handlers_error_reaches_the_client(client: httpx.Client):
    reply = client.post("/predictions/dummy", json={"imagee": "x"})
    assert check_error(reply, 400) == "BadRequest"
    assert "imagee" in reply.json()["message"]
