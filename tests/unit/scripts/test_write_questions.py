from __future__ import annotations

import json
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from scripts import write_questions
from tests.support.training import make_data


def test_the_evaluation_split_is_written_as_the_evaluation_reads_it(tmp_path: Path):
    data = make_data(tmp_path / "data", "eval")
    write_questions.main(tmp_path / "work" / "questions.jsonl", data=str(data))
    rows = [json.loads(line) for line in (tmp_path / "work" / "questions.jsonl").read_text().strip().split("\n")]
    assert len(rows) == 60
    assert rows[1] == {
        "image": str(data / "images" / "image0.png"),
        "question": "how many walls are there ?",
        "answers": ["1"],
    }


@pytest.mark.parametrize("output", ["data", "data/eval.jsonl/x"])
def test_an_output_that_cannot_be_written_is_one_line(tmp_path: Path, output: str):
    data = make_data(tmp_path / "data", "eval")
    app = typer.Typer()
    app.command()(write_questions.main)
    result = CliRunner().invoke(app, [str(tmp_path / output), "--data", str(data)])
    assert (result.exit_code, len(result.output.strip().split("\n"))) == (1, 1)
