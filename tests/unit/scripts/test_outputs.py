"""No command writes over what it reads, or removes what it did not make."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner, Result

from scripts import build_mar, convert, evaluate, tune, write_questions
from tests.support.pictures import encoded
from tests.support.recipes import RecipeMaker
from tests.support.training import make_data

Command = Callable[..., None]


def invoked(main: Command, *words: object) -> Result:
    app = typer.Typer()
    app.command()(main)
    return CliRunner().invoke(app, [str(word) for word in words])


def refusal(done: Result) -> str:
    assert done.exit_code == 1, done.output
    (line,) = done.output.strip().split("\n")
    return line


@pytest.mark.parametrize("output", ["questions.jsonl", "./t.png", "link.jsonl", "images/../questions.jsonl"])
def test_evaluate_does_not_overwrite_its_questions_or_pictures(tmp_path: Path, output: str):
    (tmp_path / "images").mkdir()
    (tmp_path / "t.png").write_bytes(encoded())
    file = tmp_path / "questions.jsonl"
    file.write_text(json.dumps({"image": "t.png", "question": "what?", "answers": ["red"]}))
    (tmp_path / "link.jsonl").symlink_to(file)
    before = {path: path.read_bytes() for path in (file, tmp_path / "t.png")}
    done = invoked(evaluate.main, "shapes", file, "--images", tmp_path, "--output", f"{tmp_path}/{output}")
    assert "which this command reads" in refusal(done)
    assert before == {path: path.read_bytes() for path in before}


@pytest.mark.parametrize("output", ["eval.jsonl", "train.jsonl", "images/image0.png", "images/../eval.jsonl", "link"])
def test_write_questions_does_not_overwrite_its_data(tmp_path: Path, output: str):
    data = make_data(make_data(tmp_path / "data", "eval"), "train")
    (data / "link").symlink_to(data / "eval.jsonl")
    before = {path: path.read_bytes() for path in data.rglob("*") if path.is_file()}
    done = invoked(write_questions.main, f"{data}/{output}", "--data", data)
    assert "which this command reads" in refusal(done)
    assert before == {path: path.read_bytes() for path in before}


@pytest.mark.parametrize("precision", ["..", "../..", "/", ".", "", "bf16/../..", "BF16", "bf16 "])
def test_tune_refuses_a_precision_that_is_none_before_it_writes(
    make_recipe: RecipeMaker, tmp_path: Path, precision: str
):
    (tmp_path / "mine").write_text("mine")
    done = invoked(tune.main, make_recipe(), "--precision", precision, "-o", tmp_path / "out")
    assert f"--precision {precision!r} is none of auto, fp32, bf16, fp16, int8" in refusal(done)
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


@pytest.mark.parametrize("output", ["new/..", "new/../.", "loop"])
def test_a_new_recipe_is_made_nowhere_but_in_the_folder_that_is_named(tmp_path: Path, output: str):
    (tmp_path / "mine").write_text("mine")
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    (tmp_path / "vocab.txt").write_text("[CLS]\n[SEP]\n[UNK]\n")
    (tmp_path / "answers.txt").write_text("red\n")
    words = ["w.pth", "--vocab", tmp_path / "vocab.txt", "--answers", tmp_path / "answers.txt"]
    refusal(invoked(convert.main, *words, "-o", f"{tmp_path}/{output}"))
    refusal(invoked(build_mar.main, "--from-folder", tmp_path, "-o", f"{tmp_path}/{output}"))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["answers.txt", "loop", "mine", "vocab.txt"]


@pytest.mark.parametrize("store", ["", "store", "samples/../store"])
def test_an_archive_is_not_built_into_its_own_recipe(make_recipe: RecipeMaker, store: str):
    recipe = make_recipe()
    line = refusal(invoked(build_mar.main, recipe, "--store", recipe / store))
    assert "lies in the recipe" in line
