"""Health checks of a server, and the metrics of the exporter."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psutil
import pytest
import typer
from prometheus_client import CollectorRegistry, generate_latest
from typer.testing import CliRunner, Result

from scripts.health import main
from vqaops.monitoring.exporter import ServerState
from vqaops.server.client import Client
from vqaops.server.health import Health, examine
from vqaops.server.server import Server

SECONDS = 90


def until(client: Client, wanted: Callable[[Health], bool]) -> Health:
    deadline = time.monotonic() + SECONDS
    while not wanted(found := examine(client, ["dummy"])):
        assert time.monotonic() < deadline, found
        time.sleep(0.05)
    return found


def probe(server: Server, *options: str) -> Result:
    application = typer.Typer()
    application.command()(main)
    return CliRunner().invoke(application, ["--run", str(server.run), *options])


def exported(client: Client) -> dict[str, float]:
    """Values by name and labels, as Prometheus reads them."""
    registry = CollectorRegistry()
    registry.register(ServerState(client))
    lines = [line for line in generate_latest(registry).decode().splitlines() if not line.startswith("#")]
    return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines)}


def test_a_server_that_answers_is_ready(dummy_server: Server):
    until(dummy_server.client, lambda found: found.ready)
    assert (probe(dummy_server).exit_code, probe(dummy_server).stdout) == (0, "ready\n")
    assert (probe(dummy_server, "--live").exit_code, probe(dummy_server, "--live").stdout) == (0, "live\n")
    state = json.loads(probe(dummy_server, "dummy", "--json").stdout)
    assert (state["live"], state["ready"], state["reasons"]) == (True, True, [])
    assert state["models"] == [
        {"name": "dummy", "version": "1.0.0", "workers": {"READY": 1}, "wanted": 1, "pending": 0}
    ]


def test_a_model_that_is_not_registered_is_named(dummy_server: Server):
    result = probe(dummy_server, "dummy", "rooms")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "model rooms is not registered" in result.stderr
    assert probe(dummy_server, "rooms", "--live").exit_code == 0


def test_a_server_is_live_but_not_ready_while_its_worker_starts_again(dummy_server: Server):
    client = dummy_server.client
    until(client, lambda found: found.ready)
    (worker,) = client.workers("dummy")
    psutil.Process(worker.pid).kill()
    found = until(client, lambda found: not found.ready)
    assert found.live
    assert "model dummy 1.0.0 has no worker READY; of 1 wanted: 1 UNLOADING" in found.reasons
    values = exported(client)
    if values['vqa_workers{model_name="dummy",model_version="1.0.0",status="READY"}'] == 0:  # it may be back already
        assert values['vqa_workers{model_name="dummy",model_version="1.0.0",status="UNLOADING"}'] == 1
    until(client, lambda found: found.ready)


def test_an_expired_token_is_a_reason(dummy_server: Server, tmp_path: Path):
    keys = json.loads(dummy_server.client.key_file.read_text())
    keys["inference"]["expiration time"] = (datetime.now(UTC) - timedelta(minutes=1)).isoformat()
    (tmp_path / "key_file.json").write_text(json.dumps(keys))
    with dummy_server.client.addresses.pool() as http:
        found = examine(Client(dummy_server.client.addresses, tmp_path / "key_file.json", http), ["dummy"])
        missing = examine(Client(dummy_server.client.addresses, tmp_path / "nothing.json", http), ["dummy"])
    assert (found.live, found.ready) == (True, False)
    assert "scripts/tokens.py rotate inference" in found.reasons[0]
    assert (missing.live, missing.ready) == (True, False)
    assert "nothing.json is missing" in missing.reasons[0]


def test_a_server_that_does_not_run_is_not_live(new_server: Callable[..., Server]):
    server = new_server()
    found = examine(server.client, [])
    assert (found.live, found.ready) == (False, False)
    assert "does not answer" in found.reasons[0]
    values = exported(server.client)
    assert values["vqa_server_up"] == 0
    assert "vqa_queue_requests" not in "".join(values)


def test_what_only_the_management_address_knows_is_exported(dummy_server: Server):
    until(dummy_server.client, lambda found: found.ready)
    values, labels = exported(dummy_server.client), '{model_name="dummy",model_version="1.0.0"}'
    assert values["vqa_server_up"] == 1
    assert values['vqa_workers{model_name="dummy",model_version="1.0.0",status="READY"}'] == 1
    assert values[f"vqa_workers_wanted{labels}"] == 1
    assert values[f"vqa_model_default{labels}"] == 1
    assert values[f"vqa_queue_requests{labels}"] == 0
    assert values[f"vqa_queue_capacity_requests{labels}"] == 32
    assert values[f"vqa_workers_memory_bytes{labels}"] > 10_000_000
    assert values['vqa_token_left_seconds{kind="inference"}'] == pytest.approx(43200 * 60, abs=3600)
