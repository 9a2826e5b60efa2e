"""What is TorchServe's own, on the other road: errors, limits, tokens, metrics, descriptions and versions."""

from __future__ import annotations

import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.live.test_errors import CASES, Asker
from tests.support.pictures import encoded
from tests.support.recipes import RecipeMaker
from tests.support.rollout import asking, versioned
from vqaops.building.build import build
from vqaops.paths import ROOT
from vqaops.server.health import examine
from vqaops.server.server import Server

pytestmark = pytest.mark.ray

FROM_FRONT = {
    ("400", "InvalidKeyException"),
    ("404", "ModelNotFoundException"),
    ("404", "ModelVersionNotFoundException"),
    ("404", "ResourceNotFoundException"),
    ("413", "(no body)"),
}
"""What TorchServe's front end answers; the handler's errors are the pipeline's on both roads."""
FROM_PIPELINE = {
    ("400", "BadRequest"): ["two values of one name", "deadline without a start"],
    ("404", "NotFound"): ["behind the version"],
    ("415", "UnsupportedMediaType"): ["brotli"],
    ("422", "MissingImage"): ["GET", "DELETE", "empty body"],
    ("422", "InvalidImage"): ["damaged"],
    ("504", "DeadlineExceeded"): ["late"],
}
"""Of each way through which a request comes, one case."""
ASKED = [(*pair, case) for pair in FROM_FRONT for case in CASES[pair]]
ASKED += [(*pair, case) for pair, cases in FROM_PIPELINE.items() for case in cases]


@pytest.mark.parametrize(("status", "kind", "case"), sorted(ASKED))
def test_an_error_is_the_one_of_torchserve(ray_server: Server, status: str, kind: str, case: str):
    reply = CASES[status, kind][case](Asker(ray_server))
    assert str(reply.status_code) == status
    if kind != "(no body)":
        body = reply.json()
        assert (body["code"], body["type"]) == (reply.status_code, kind)
        assert body["message"]


def test_a_form_is_answered_and_an_answer_explained(ray_server: Server):
    to = Asker(ray_server)
    reply = to.form(top_k="1")
    assert reply.json()["answers"] == [{"answer": "4x3 #ff0000: what?", "score": 0.5}]
    assert "worker;dur=" in reply.headers["server-timing"]
    assert "," not in reply.headers["x-request-id"]
    files = {"image": encoded()}
    explained = to.ask("/explanations/dummy", files=files, data={"question": "what?"})
    assert explained.status_code == 200, explained.text
    assert explained.json()["answer"] == "4x3 #ff0000: what?"
    assert explained.json()["explanation"]["words"]


def test_the_metrics_have_torchserves_names(ray_server: Server):
    to = Asker(ray_server)
    assert to.form().status_code == 200
    deadline = time.monotonic() + 20
    while "vqa_requests_total{" not in (page := to.ask("/metrics", "GET").text):
        assert time.monotonic() < deadline, page
        time.sleep(0.1)
    assert {"vqa_batch_seconds_bucket", "vqa_stage_seconds_count"} <= {
        line.partition("{")[0] for line in page.split("\n")
    }


def test_the_scripts_read_the_state_and_the_token(ray_server: Server):
    assert examine(ray_server.client, []).ready
    assert ray_server.client.ask("dummy", encoded(), "what?")["answer"] == "4x3 #ff0000: what?"
    assert stat.S_IMODE(ray_server.client.key_file.stat().st_mode) == 0o600


def test_a_version_is_replaced_under_load_without_a_lost_request(
    ray_server: Server, make_recipe: RecipeMaker, tmp_path: Path
):
    store = next(iter((ray_server.run.parent / "store").glob("*.mar"))).parent
    archive = build(versioned(make_recipe, "1.1.0"), store)
    with asking(ray_server, 4, pause=0.01) as traffic:
        traffic.wait_for("1.0.0")
        command(ray_server, "promote", archive.path)
        traffic.wait_for("1.1.0")
        command(ray_server, "promote", store / "dummy-1.0.0.mar")
        command(ray_server, "remove", "dummy", "1.1.0")
        before = traffic.answered["1.0.0"]
        traffic.wait_for("1.0.0")
    assert traffic.answered["1.0.0"] > before
    assert traffic.wrong == []


def command(server: Server, *words: str | Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "deploy.ray", *map(str, words), "--run", str(server.run)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
