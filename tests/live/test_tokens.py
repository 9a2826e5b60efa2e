"""Tokens that expire or are replaced while questions are asked."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from typer.testing import CliRunner

from scripts import tokens as command
from tests.support.pictures import encoded
from tests.support.recipes import RecipeMaker
from vqaops.errors import ServerError
from vqaops.paths import ROOT
from vqaops.server.client import Client
from vqaops.server.key_file import KeyFile, NoTokens
from vqaops.server.ports import free_ports
from vqaops.server.retry import NEVER, RetryPolicy
from vqaops.server.server import Server
from vqaops.server.tokens import renew_due


@pytest.fixture(scope="module")
def server(serve: Callable[..., Server], make_recipe: RecipeMaker) -> Server:
    return serve(make_recipe())


def rotate(server: Server, kind: str = "inference") -> None:
    config = server.run / "config.properties"
    done = CliRunner().invoke(command.app, ["rotate", kind, "--run", str(server.run), "--config", str(config)])
    assert done.exit_code == 0, done.output


def test_a_rotated_token_replaces_the_old_one_and_curls_header(server: Server):
    old = server.client.header("inference")
    rotate(server)
    url = f"{server.client.addresses.inference}/predictions/dummy"
    assert server.client.http.post(url, headers=old).status_code == 400
    assert server.auth_header.read_text() == f"Authorization: Bearer {server.client.token('inference')}\n"
    assert server.auth_header.stat().st_mode & 0o777 == 0o600


def test_the_management_token_can_be_rotated_too(server: Server):
    old = server.client.token("management")
    rotate(server, "management")
    assert server.client.token("management") != old
    assert [worker.status for worker in server.client.workers("dummy")] == ["READY"]


def test_rotations_cost_a_client_without_retries_no_answer(server: Server):
    client = Client(server.client.addresses, server.client.key_file, server.client.http, NEVER)
    enough, failures, asked = threading.Event(), [], [0] * 4

    def ask(thread: int) -> None:
        while not enough.is_set():
            try:
                client.ask("dummy", encoded(), "what?")
            except ServerError as error:
                failures.append(error)
            asked[thread] += 1

    threads = [threading.Thread(target=ask, args=[thread]) for thread in range(len(asked))]
    for thread in threads:
        thread.start()
    for _ in range(20):
        rotate(server)
        # A request survives one rotation between reading the token and its arrival, and a busy machine may fit in two.
        ended, deadline = asked.copy(), time.monotonic() + 30
        while any(now < before + 2 for now, before in zip(asked, ended, strict=True)) and time.monotonic() < deadline:
            time.sleep(0.01)
    enough.set()
    for thread in threads:
        thread.join()
    assert min(asked) >= 40
    assert failures == []


def test_a_token_is_renewed_before_it_expires(server: Server):
    keys = json.loads(server.client.key_file.read_text())
    old = keys["inference"]["key"]
    keys["inference"]["expiration time"] = "2020-01-01T00:00:00.123456789Z"
    server.client.key_file.write_text(json.dumps(keys))
    assert server.client.ask("dummy", encoded(), "what?")["answer"] == "4x3 #ff0000: what?"
    assert server.client.token("inference") != old
    assert KeyFile(server.client.key_file).seconds_left("inference") > 60


def expire(server: Server, **left: timedelta) -> dict[str, str]:
    """Change in the key file when tokens expire; return the tokens by kind."""
    keys = json.loads(server.client.key_file.read_text())
    for kind, life in left.items():
        keys[kind]["expiration time"] = f"{(datetime.now(UTC) + life).isoformat().removesuffix('+00:00')}123Z"
    server.client.key_file.write_text(json.dumps(keys))
    return {kind: keys[kind]["key"] for kind in ("inference", "management")}


def test_a_token_with_less_than_a_week_left_is_renewed_and_no_other(server: Server):
    before = expire(server, inference=timedelta(days=6), management=timedelta(days=8))
    renew_due(server)
    after = expire(server)
    assert after["inference"] != before["inference"]
    assert after["management"] == before["management"]
    renew_due(server)
    assert expire(server) == after
    assert server.client.ask("dummy", encoded(), "what?")["answer"] == "4x3 #ff0000: what?"


def test_the_exporter_renews_a_token_before_it_expires(server: Server):
    before = expire(server, inference=timedelta(hours=1))
    exporter = [sys.executable, str(ROOT / "scripts" / "exporter.py"), "--port", str(free_ports(1)[0])]
    process = subprocess.Popen([*exporter, "--run", str(server.run)], stdout=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 60
        while server.client.token("inference") == before["inference"]:
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.05)
    finally:
        process.terminate()
        process.wait()


def test_listing_tokens_says_how_long_they_live_and_prints_none(server: Server):
    shown = CliRunner().invoke(command.app, ["list", "--run", str(server.run)]).output
    assert re.search(r"^inference: 43,[12]\d\d minutes$", shown, re.MULTILINE)
    assert server.client.token("inference") not in shown


def test_a_server_that_is_gone_makes_no_new_token(tmp_path, new_server: Callable[..., Server]):
    with httpx.Client(trust_env=False) as http:
        client = Client(new_server().client.addresses, tmp_path / "key_file.json", http)
        client.key_file.write_text('{"inference": {"key": "old"}, "API": {"key": "x"}}')
        assert client.renew_token("inference", "old") == "old"


def test_a_client_waits_for_the_key_file_during_a_restart(server: Server):
    client = replace(server.client, http=server.client.addresses.pool(), retry=RetryPolicy(seconds=30))
    aside = server.client.key_file.with_suffix(".aside")
    with client.http:
        client.ask("dummy", encoded(), "what?")
        server.client.key_file.rename(aside)
        threading.Timer(0.5, aside.rename, [server.client.key_file]).start()
        assert client.ask("dummy", encoded(), "and now?")["answer"] == "4x3 #ff0000: and now?"


def test_a_client_that_never_had_keys_does_not_wait_for_them(tmp_path, server: Server):
    with server.client.addresses.pool() as http:
        client = Client(server.client.addresses, tmp_path / "key_file.json", http)
        with pytest.raises(NoTokens, match="the server is not running"):
            client.ask("dummy", encoded(), "what?")
