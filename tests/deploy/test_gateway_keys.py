"""API keys: accepted and refused, added and revoked under traffic."""

from __future__ import annotations

import json
import stat
import subprocess
import threading
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from typer.testing import CliRunner, Result

from scripts.keys import app
from tests.support.gateways import ANSWER, RunningGateway, answer_of, ask, check_error
from vqaops.server.server import Server


def test_a_key_is_accepted_and_http_2_is_offered(gateway: RunningGateway, client: httpx.Client):
    assert answer_of(ask(client)) == ANSWER
    command = ["curl", "-sS", "--http2", "--cacert", str(gateway.authority), "-w", "%{http_version}", "-o", "/dev/null"]
    done = subprocess.run([*command, f"{gateway.url}/ping"], capture_output=True, text=True, check=True)
    assert done.stdout == "2"


@pytest.mark.parametrize("key", ["vqa_" + "A" * 43, "vqa_" + "A" * 42 + "/", "../../etc/passwd", "x" * 4000])
def test_a_wrong_key_is_401_with_the_expected_scheme(gateway: RunningGateway, key: str):
    with gateway.client(key=key) as stranger:
        reply = ask(stranger)
    assert check_error(reply, 401) == "InvalidKeyException"
    assert reply.headers["www-authenticate"].startswith("Bearer")


@pytest.mark.parametrize(
    "header", ["bearer {}", "BEARER {}", "Bearer   {}", "  Bearer {}", "Bearer {}  ", "Bearer {}\t"]
)
def test_the_header_with_the_key_is_read_by_its_grammar(gateway: RunningGateway, header: str):
    line = f"Authorization:{header.format(gateway.key)}"
    status, body = gateway.raw(f"GET /v1/models HTTP/1.1\r\nHost: x\r\n{line}\r\n\r\n".encode())
    assert (status, json.loads(body)["models"]) == (200, ["dummy"])


@pytest.mark.parametrize(
    "header", ["{}", "Basic {}", "Bearer{}", "Bearer {0}, Bearer {0}", "Bearer {} x", 'Bearer "{}"']
)
def test_anything_but_one_bearer_key_is_401(gateway: RunningGateway, header: str):
    line = f"Authorization: {header.format(gateway.key)}"
    status, body = gateway.raw(f"GET /v1/models HTTP/1.1\r\nHost: x\r\n{line}\r\n\r\n".encode())
    assert (status, json.loads(body)["code"]) == (401, 401)


def test_a_missing_key_is_401_and_so_is_torchserves_token(gateway: RunningGateway, torchserve: Server):
    with gateway.client(key=torchserve.client.token("inference")) as stranger:
        check_error(ask(stranger), 401)
        del stranger.headers["Authorization"]
        check_error(ask(stranger), 401)


def test_without_a_valid_token_of_torchserve_the_gateway_answers_503(torchserve: Server, client: httpx.Client):
    file = torchserve.client.key_file
    whole = file.read_text()
    over = json.loads(whole)
    over["inference"]["expiration time"] = "2020-01-01T00:00:00.123456789Z"
    try:
        for text in (whole[: len(whole) // 2], "", "{}", json.dumps(over)):
            file.write_text(text)
            reply = ask(client)
            assert check_error(reply, 503) == "ServiceUnavailableException"
            assert reply.headers["retry-after"] == "1"
    finally:
        file.write_text(whole)
    assert answer_of(ask(client)) == ANSWER


def test_adding_and_revoking_keys_under_traffic_applies_at_once_and_loses_no_request(gateway: RunningGateway):
    keys, done = gateway.nginx.keys, threading.Event()

    def traffic() -> list[int]:
        statuses = []
        with gateway.client() as client:
            while not done.is_set() or len(statuses) < 20:
                statuses.append(ask(client).status_code)
        return statuses

    with ThreadPoolExecutor(2) as pool:
        running = [pool.submit(traffic) for _ in range(2)]
        for turn in range(5):
            with gateway.client(key=keys.add(f"guest-{turn}")) as guest:
                assert answer_of(ask(guest)) == ANSWER
                keys.revoke(f"guest-{turn}")
                check_error(ask(guest), 401)
        done.set()
        statuses = [status for one in running for status in one.result()]
    assert set(statuses) == {200}


def test_keys_are_stored_as_hashes_in_files_that_only_the_owner_can_read(gateway: RunningGateway):
    folder = gateway.nginx.keys.folder
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    for path in folder.iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert gateway.key not in path.read_text() + path.name


def test_the_commands_add_list_and_revoke_a_key(gateway: RunningGateway):
    def keys(*arguments: str) -> Result:
        where = ["--run", str(gateway.nginx.run), "--config", str(gateway.nginx.config)]
        return CliRunner().invoke(app, [*arguments, *where])

    made = keys("add", "chat-app")
    with gateway.client(key=made.stdout.strip()) as guest:
        assert answer_of(ask(guest)) == ANSWER
        assert "chat-app" in [entry["name"] for entry in json.loads(keys("list", "--json").stdout)]
        twice = keys("add", "chat-app")
        assert twice.exit_code == 1
        assert "a key named chat-app exists" in twice.stderr
        assert keys("revoke", "chat-app").exit_code == 0
        check_error(ask(guest), 401)
    assert "no key is named 'chat-app'" in keys("revoke", "chat-app").stderr
    assert "is not a valid key name" in keys("add", "Robert'); DROP TABLE").stderr
