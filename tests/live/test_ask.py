"""scripts/ask.py against a real server: a question, and captions to compare."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner, Result

from scripts.ask import main
from tests.support.pictures import encoded
from vqaops.server.server import Server


@pytest.fixture(scope="module")
def picture(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("pictures") / "blue.png"
    file.write_bytes(encoded("blue"))
    return file


@pytest.fixture
def ask(tasks_server: Server) -> Callable[..., Result]:
    app = typer.Typer()
    app.command()(main)
    return lambda *words: CliRunner().invoke(app, [*map(str, words), "--run", str(tasks_server.run)])


def test_captions_are_ranked_by_how_well_they_fit(ask: Callable[..., Result], picture: Path):
    done = ask(picture, "a red #ff0000 thing, a blue #0000ff thing", "--model", "labels")
    assert done.exit_code == 0, done.output
    first, second = (line for line in done.output.split("\n") if "thing" in line)
    assert "a blue #0000ff thing" in first
    assert "50.0%" in first
    assert "a red #ff0000 thing" in second


def test_a_question_is_answered(ask: Callable[..., Result], picture: Path):
    done = ask(picture, "what colour?", "--model", "dummy", "--top-k", "1", "--json")
    assert json.loads(done.output)["answers"] == [{"answer": "4x3 #0000ff: what colour?", "score": 0.5}]


def test_without_a_name_the_served_models_are_named(ask: Callable[..., Result], picture: Path):
    done = ask(picture, "what?")
    assert done.exit_code == 1
    assert "ask: the server has these models: classes, documents, dummy, labels; choose one with --model" in done.stderr


def test_a_missing_picture_is_named_in_one_line(ask: Callable[..., Result], tmp_path: Path):
    done = ask(tmp_path / "no.png", "what?", "--model", "dummy")
    assert done.exit_code == 1
    assert done.stderr.strip().endswith("no.png: No such file or directory")


def test_a_reply_says_where_its_time_went(tasks_server: Server, picture: Path):
    client = tasks_server.client
    url = f"{client.addresses.inference}/predictions/dummy"
    reply = client.predict(url, data={"question": "how long?"}, files={"image": picture.read_bytes()})
    stages = dict(part.split(";dur=") for part in reply.headers["Server-Timing"].split(", "))
    assert {"parse", "open", "encode", "forward", "decode", "reply", "worker"} <= stages.keys()
    assert float(stages.pop("worker")) == pytest.approx(sum(map(float, stages.values())), abs=0.5)
