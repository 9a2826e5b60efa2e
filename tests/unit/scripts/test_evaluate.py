"""Files that a user made: one line with file, line and what to do, before a server is asked."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner, Result

from scripts import evaluate
from tests.support.pictures import encoded


def evaluated(file: Path, *arguments: str) -> Result:
    app = typer.Typer()
    app.command()(evaluate.main)
    return CliRunner().invoke(app, ["shapes", str(file), *arguments])


def record(**changes: object) -> str:
    return json.dumps({"image": "t.png", "question": "what?", "answers": ["red"], **changes})


FAULTS = {
    "a picture is missing": (record(image="none.png"), "questions.jsonl:1: the picture .*none.png is missing"),
    "no answers": ('{"image": "t.png", "question": "what?"}', "questions.jsonl:1: answers: Field required"),
    "a JSON list over lines": (f"[\n{record()}\n]", "questions.jsonl:1 is not JSON"),
    "a CSV": ("image,question\nt.png,what?", "questions.jsonl:1 is not JSON"),
    "line 17": (
        f"{record()}\n" * 16 + record(answers="red"),
        "questions.jsonl:17: answers: Input should be a",
    ),
    "empty": ("", "questions.jsonl has no questions"),
}


@pytest.mark.parametrize(("content", "message"), FAULTS.values(), ids=FAULTS)
def test_a_faulty_file_is_one_line_and_status_1(tmp_path: Path, content: str, message: str):
    (tmp_path / "t.png").write_bytes(encoded())
    file = tmp_path / "questions.jsonl"
    file.write_text(content)
    result = evaluated(file)
    assert result.exit_code == 1
    (line,) = result.output.strip().split("\n")
    assert re.search(message, line)


@pytest.mark.parametrize("name", ["none.jsonl", "", "a\nb.jsonl", "n" * 300])
def test_a_file_that_is_not_there_is_one_line_and_status_1(tmp_path: Path, name: str):
    result = evaluated(tmp_path / name)
    assert (result.exit_code, len(result.output.strip().split("\n"))) == (1, 1)


def test_an_output_in_a_file_is_refused_before_anything_is_asked(tmp_path: Path):
    (tmp_path / "t.png").write_bytes(encoded())
    file = tmp_path / "questions.jsonl"
    file.write_text(record())
    result = evaluated(file, "--output", str(file / "scores.json"))
    assert (result.exit_code, len(result.output.strip().split("\n"))) == (1, 1)
