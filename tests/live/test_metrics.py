"""The metrics address of a real server."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable
from shutil import which

import pytest

from tests.support.pictures import encoded
from tests.support.recipes import RecipeMaker
from vqaops.rollout.request_counts import failed_requests
from vqaops.server.management import Management
from vqaops.server.server import Server
from vqaserve.metrics import METRICS

SECONDS = 60
"""TorchServe's front end counts shortly after the reply."""

UNSEEN = {
    "vqa_answers_abstained_total",
    "vqa_predictions_dropped_total",
    "vqa_first_text_seconds",  # test_streams.py looks at these two
    "vqa_tokens_total",
}
"""Metrics that these questions do not change."""


@pytest.fixture(scope="module")
def server(serve: Callable[..., Server], make_recipe: RecipeMaker) -> Server:
    return serve(make_recipe())


def ask(server: Server, image: bytes, question: str, **headers: str) -> int:
    client = server.client
    reply = client.http.post(
        f"{client.addresses.inference}/predictions/dummy",
        headers={**client.header("inference"), **headers},
        files={"image": image},
        data={"question": question},
    )
    return reply.status_code


def scraped(server: Server, *wanted: str) -> list[str]:
    """Return the lines of the metrics page once it contains all wanted texts."""
    deadline = time.monotonic() + SECONDS
    while True:
        lines = server.client.http.get(f"{server.client.addresses.metrics}/metrics").text.splitlines()
        missing = [part for part in wanted if not any(part in line for line in lines)]
        if not missing:
            return lines
        assert time.monotonic() < deadline, missing


@pytest.mark.skipif(not which("promtool"), reason="promtool is not installed: apt install prometheus")
def test_every_metric_reaches_the_metrics_address_and_promtool_finds_no_fault_with_it(server: Server):
    started = f"t={time.time():.3f}"  # as nginx writes it
    assert [ask(server, encoded("red"), f"question {number}?") for number in range(3)] == [200] * 3
    assert ask(server, encoded("red"), "question 0?", **{"X-Request-Start": started}) == 200
    assert ask(server, b"junk", "what?") == 422
    lines = scraped(
        server,
        *(metric.name for metric in METRICS if metric.name not in UNSEEN),
        'vqa_requests_total{model_name="dummy",model_version="1.0.0",outcome="InvalidImage"',
        'vqa_stage_seconds_bucket{model_name="dummy",model_version="1.0.0",stage="forward"',
        'cache="answers",result="hit"',
    )
    counted = [line for line in lines if line.startswith("vqa_requests_total") and 'outcome="ok"' in line]
    assert [float(line.rpartition(" ")[2]) for line in counted] == [4]
    ours = [line for line in lines if "vqa_" in line]
    checked = subprocess.run(
        ["promtool", "check", "metrics"], input="\n".join([*ours, ""]), text=True, capture_output=True
    )
    assert (checked.returncode, checked.stdout + checked.stderr) == (0, "")


def test_a_refusal_of_the_server_counts_as_failed_and_a_clients_deadline_does_not(server: Server):
    before, long_ago = failed_requests(server.client), {"X-Request-Start": "t=1.000", "X-Timeout-Ms": "1"}
    assert ask(server, encoded("red"), "what?", **long_ago) == 504
    scraped(server, 'outcome="DeadlineExceeded"')
    Management(server.client).scale("dummy", "1.0.0", 0, 0)
    assert ask(server, encoded("red"), "what?") == 503
    deadline = time.monotonic() + SECONDS
    while (count := failed_requests(server.client)) != before + 1:
        assert time.monotonic() < deadline, count
