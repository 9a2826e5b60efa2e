"""deploy/monitoring in a real Prometheus: it checks the files, runs the rules, and answers the dashboard's queries."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from shutil import which
from typing import Any

import httpx
import pytest
import yaml

from tests.support.pictures import encoded
from tests.support.recipes import RecipeMaker
from vqaops.monitoring import exporter
from vqaops.paths import DEPLOY, ROOT
from vqaops.server.ports import free_ports
from vqaops.server.server import Server
from vqaserve.metrics import METRICS

MONITORING = DEPLOY / "monitoring"
SECONDS = 120
HANDLER = """\
  abstain_below: 0.6
  limits: {max_question_chars: 300000}
"""
"""The weightless family scores every answer 0.5; a question of 250,000 characters gets too long a reply: 500."""
MAY_BE_EMPTY = ("vqa_gpu_", "vqa_predictions_dropped_total")

needs_prometheus = pytest.mark.skipif(
    not (which("prometheus") and which("promtool")), reason="Prometheus is not installed: apt install prometheus"
)


def rules() -> list[dict[str, Any]]:
    groups = yaml.safe_load((MONITORING / "alerts.yaml").read_text(encoding="utf-8"))["groups"]
    return [rule for group in groups for rule in group["rules"]]


ALERTS = [rule for rule in rules() if "alert" in rule]
DASHBOARD = json.loads((MONITORING / "grafana" / "dashboards" / "vqaserve.json").read_text(encoding="utf-8"))
PANELS = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]
QUERIES = [(panel["title"], target["expr"]) for panel in PANELS for target in panel["targets"]]


@needs_prometheus
@pytest.mark.parametrize(
    "command",
    [
        ("check", "config", MONITORING / "prometheus.yml"),
        ("check", "rules", "--lint=all", "--lint-fatal", MONITORING / "alerts.yaml"),
        ("test", "rules", Path(__file__).parent / "alerts_test.yaml"),
    ],
    ids=lambda command: f"{command[0]} {command[1]}",
)
def test_promtool_finds_no_fault(command: tuple[object, ...]):
    done = subprocess.run(["promtool", *map(str, command)], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_alert_is_tested_to_fire_and_to_be_silent():
    tests = yaml.safe_load((Path(__file__).parent / "alerts_test.yaml").read_text(encoding="utf-8"))["tests"]
    cases = [(case["alertname"], bool(case.get("exp_alerts"))) for test in tests for case in test["alert_rule_test"]]
    assert set(cases) >= {(alert["alert"], fires) for alert in ALERTS for fires in (True, False)}


@pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: alert["alert"])
def test_every_alert_has_its_page_in_the_runbook(alert: dict[str, Any]):
    page, _, anchor = alert["annotations"]["runbook_url"].partition("#")
    headings = re.findall(r"^### (\w+)\n\n(.+?)(?=^#|\Z)", (ROOT / page).read_text(encoding="utf-8"), re.M | re.S)
    pages = {name.lower(): text for name, text in headings}
    assert anchor == alert["alert"].lower()
    assert len(pages[anchor].split()) > 30


def test_the_runbook_has_no_page_of_an_alert_that_is_gone():
    text = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
    assert re.findall(r"^### (Vqa\w+)$", text, re.M) == [alert["alert"] for alert in ALERTS]


def test_alerts_and_dashboard_use_existing_metrics():
    known = {metric.name for metric in METRICS} | {rule["record"] for rule in rules() if "record" in rule}
    known |= set(re.findall(r'"(vqa_\w+)"', Path(exporter.__file__).read_text(encoding="utf-8")))
    declared = yaml.safe_load((MONITORING / "metrics.yaml").read_text(encoding="utf-8"))["ts_metrics"]
    known |= {metric["name"] for metrics in declared.values() for metric in metrics}
    for expression in [*(rule["expr"] for rule in rules()), *(query for _, query in QUERIES)]:
        asked = re.findall(r"\b(?:vqa|ts)_\w+|\bvqa:\w+:\w+|\bRequests\dXX", expression)
        assert asked or "up" in expression
        assert {re.sub("_(bucket|sum|count)$", "", name) for name in asked} <= known


def test_the_dashboard_can_be_imported_anywhere():
    ids = [panel["id"] for panel in DASHBOARD["panels"]]
    assert len(ids) == len(set(ids))
    for panel in PANELS:
        assert panel["datasource"]["uid"] == "${datasource}"
        assert panel["description"]
        assert panel["gridPos"]["x"] + panel["gridPos"]["w"] <= 24
    rows = [panel["title"] for panel in DASHBOARD["panels"] if panel["type"] == "row"]
    assert rows[:6] == ["Traffic", "Errors", "Latency", "Saturation", "Cache", "Confidence"]
    assert {name["name"] for name in DASHBOARD["templating"]["list"]} == {"datasource", "model", "version"}
    for provisioned in (MONITORING / "grafana" / "provisioning").rglob("*.yaml"):
        assert yaml.safe_load(provisioned.read_text(encoding="utf-8"))["apiVersion"] == 1


@contextmanager
def running(*command: object, cwd: Path) -> Iterator[None]:
    with (cwd / f"{Path(str(command[0])).name}.log").open("wb") as log:
        process = subprocess.Popen(list(map(str, command)), cwd=cwd, stdout=log, stderr=subprocess.STDOUT)
        try:
            yield
        finally:
            process.terminate()
            process.wait(30)


@contextmanager
def load(server: Server) -> Iterator[None]:
    """Ask questions of every kind without pause until the block ends."""
    client, over = server.client, threading.Event()

    def ask() -> None:
        number = 0
        while not over.is_set():
            number += 1
            question = "x" * 250_000 if number % 10 == 0 else f"question {number // 2}?"  # each asked twice
            client.http.post(
                f"{client.addresses.inference}/predictions/dummy",
                headers={**client.header("inference"), "X-Request-Start": f"t={time.time():.3f}"},
                files={"image": b"junk" if number % 7 == 0 else encoded()},
                data={"question": question, "top_k": "20"},
            )

    thread = threading.Thread(target=ask)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


@pytest.fixture(scope="module")
def prometheus(serve: Callable[..., Server], make_recipe: RecipeMaker, tmp_path_factory) -> Iterator[httpx.Client]:
    """A real Prometheus with the deployed configuration, but for ports and intervals, on a live server under load."""
    server, folder = serve(make_recipe(handler=HANDLER)), tmp_path_factory.mktemp("prometheus")
    port, exporter_port = free_ports(2)
    config = yaml.safe_load((MONITORING / "prometheus.yml").read_text(encoding="utf-8"))
    config["global"] = {"scrape_interval": "1s", "evaluation_interval": "1s"}
    config["rule_files"] = [str(MONITORING / name) for name in config["rule_files"]]
    targets = [server.properties["metrics_address"].removeprefix("http://"), f"127.0.0.1:{exporter_port}"]
    for job, target in zip(config["scrape_configs"], targets, strict=True):
        job["static_configs"] = [{"targets": [target]}]
    (folder / "prometheus.yml").write_text(yaml.safe_dump(config), encoding="utf-8")
    asked = [ROOT / "scripts" / "exporter.py", "--run", server.run, "--port", exporter_port]
    scraping = [f"--web.listen-address=127.0.0.1:{port}", "--config.file=prometheus.yml", "--storage.tsdb.path=data"]
    with (
        running(sys.executable, *asked, cwd=folder),
        running("prometheus", *scraping, cwd=folder),
        load(server),
        httpx.Client(base_url=f"http://127.0.0.1:{port}/api/v1", trust_env=False) as client,
    ):
        wait_ready(client)
        yield client


def wait_ready(client: httpx.Client) -> None:
    """Wait until Prometheus answers queries; after it starts to listen, it answers 503 for a while."""
    deadline = time.monotonic() + SECONDS
    while True:
        with suppress(httpx.TransportError):
            if client.get("/query", params={"query": "1"}).is_success:
                return
        assert time.monotonic() < deadline
        time.sleep(0.1)


def value(client: httpx.Client, expression: str) -> list[dict[str, Any]]:
    reply = client.get("/query", params={"query": expression}).json()
    assert reply["status"] == "success", reply
    result: list[dict[str, Any]] = reply["data"]["result"]
    return result


def until_data(client: httpx.Client, expression: str) -> list[dict[str, Any]]:
    deadline = time.monotonic() + SECONDS
    while True:
        result = value(client, expression)
        if any(one["value"][1] != "NaN" for one in result):
            return result
        assert time.monotonic() < deadline, expression
        time.sleep(0.2)


@needs_prometheus
def test_every_query_of_the_dashboard_returns_data_from_a_live_server(prometheus: httpx.Client):
    for title, query in QUERIES:
        query = query.replace("$__rate_interval", "10s").replace("$model", ".*").replace("$version", ".*")
        assert "$" not in query
        result = (
            value(prometheus, query) if any(name in query for name in MAY_BE_EMPTY) else until_data(prometheus, query)
        )
        assert all(one["value"][1] != "+Inf" for one in result), title


@needs_prometheus
def test_every_rule_is_evaluated_without_an_error_on_a_live_server(prometheus: httpx.Client):
    until_data(prometheus, "vqa:confidence:mean_1h")
    until_data(prometheus, "vqa:batch_seconds:p95_5m + on (instance, model_name) vqa:queue_seconds:mean_5m")
    evaluated = [rule for group in prometheus.get("/rules").json()["data"]["groups"] for rule in group["rules"]]
    assert {rule["name"] for rule in evaluated} == {rule.get("alert", rule.get("record")) for rule in rules()}
    assert {rule["health"] for rule in evaluated} == {"ok"}, evaluated


@needs_prometheus
def test_failures_are_seen_in_the_share_in_which_they_happen(prometheus: httpx.Client):
    (expression,) = (rule["expr"] for rule in ALERTS if rule["alert"] == "VqaErrorRatio")
    assert until_data(prometheus, f"({expression}) > 0.05 < 0.15")  # one question in ten fails on purpose
