"""The command that chooses a threshold: what it writes, and what it refuses."""

from __future__ import annotations

import json
from pathlib import Path
from statistics import median

import pytest
import typer
from typer.testing import CliRunner, Result

from scripts import calibrate
from tests.support.families import encoded, photo
from tests.tiny import make_weights
from tests.tiny.recipe import complete_recipe
from vqaops.confidence.judged import judge
from vqaops.questions import Question, read_questions
from vqaserve.families.modular import Modular
from vqaserve.settings import ModelConfig
from vqaserve.types import Query

WORDS = ["what is on the table?", "is the wall red?", "what?", "is the table red?", "what is on the wall?"]


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    folder = tmp_path / "tiny"
    return complete_recipe(folder, make_weights("modular", folder / "weights"), encoded(photo(64, 32)), "what?")


@pytest.fixture
def file(recipe: Path, tmp_path: Path) -> Path:
    """Questions that the model answers rightly if it is among its surer half, and wrongly otherwise."""
    family = Modular.load(recipe, ModelConfig.read(recipe / "model-config.yaml").handler)
    queries = [Query(b"", text, 5) for text in WORDS]
    asked = []
    (tmp_path / "images").mkdir()
    for seed in range(40):
        picture = photo(64, 32, seed)
        (tmp_path / "images" / f"{seed}.png").write_bytes(encoded(picture))
        ranked = family.decode(family.forward(family.encode([picture]) * len(WORDS), queries), queries)
        asked += [(f"{seed}.png", text, answers) for text, answers in zip(WORDS, ranked, strict=True)]
    middle = median(answers[0].score for _, _, answers in asked)
    path = tmp_path / "held-out.jsonl"
    path.write_text(
        "".join(
            json.dumps({"image": image, "question": text, "answers": [answers[answers[0].score < middle].answer]})
            + "\n"
            for image, text, answers in asked
        )
    )
    return path


def calibrated(*words: object) -> Result:
    app = typer.Typer()
    app.command()(calibrate.main)
    return CliRunner().invoke(app, [str(word) for word in words])


def test_without_write_nothing_changes(recipe: Path, file: Path):
    before = {path: path.read_bytes() for path in recipe.rglob("*") if path.is_file()}
    done = calibrated(recipe, file, "--accuracy", 0.9)
    assert done.exit_code == 0, done.output
    assert "threshold (abstain_below)" in done.output
    assert before == {path: path.read_bytes() for path in recipe.rglob("*") if path.is_file()}


def test_the_written_recipe_keeps_its_promise(recipe: Path, file: Path):
    for _ in range(2):
        done = calibrated(recipe, file, "--accuracy", 0.9, "--write")
        assert done.exit_code == 0, done.output
    threshold = ModelConfig.read(recipe / "model-config.yaml").handler.abstain_below
    judged = judge(recipe, read_questions(file, file.parent / "images"))
    kept = judged.scores >= threshold
    assert 0.2 < kept.mean() < 1
    assert judged.right[kept].mean() >= 0.9
    card = (recipe / "README.md").read_text()
    assert card.count("<!-- written by scripts/calibrate.py -->") == 1
    assert f"An answer with a score below {threshold:.2f} is marked" in card
    assert f"| answers at or above the threshold | {100 * kept.mean():.1f} % |" in card
    assert (recipe / "risk-coverage.png").read_bytes().startswith(b"\x89PNG")


def test_the_temperature_is_written_once_and_for_all(recipe: Path, file: Path):
    calibrated(recipe, file, "--accuracy", 0.9, "--write")
    first = json.loads((recipe / "weights" / "config.json").read_text())["temperature"]
    done = calibrated(recipe, file, "--accuracy", 0.9)
    assert f"{first:.2f}, {first:.2f}" in done.output
    assert first != 1.5


def test_questions_that_nobody_can_answer_are_counted_by_their_kind(recipe: Path, file: Path, tmp_path: Path):
    folder = tmp_path / "unknown"
    folder.mkdir()
    for kind in ("yes-or-no", "noise"):
        (folder / f"{kind}.jsonl").write_text(json.dumps({"image": "../images/0.png", "question": "what?"}) + "\n")
    done = calibrated(recipe, file, "--accuracy", 0.9, "--unanswerable", folder, "--write")
    assert done.exit_code == 0, done.output
    card = (recipe / "README.md").read_text()
    threshold = ModelConfig.read(recipe / "model-config.yaml").handler.abstain_below
    unsure = judge(recipe, [Question(tmp_path / "images" / "0.png", "what?", ())]).scores[0] < threshold
    for kind in ("yes or no", "noise"):
        assert f"| {kind} | 1 | {'100 %' if unsure else '0 %'} |" in card


def test_a_check_counts_the_halves_that_keep_the_promise(recipe: Path, file: Path):
    before = (recipe / "README.md").read_text()
    done = calibrated(recipe, file, "--accuracy", 0.6, "--check", 3)
    assert done.exit_code == 0, done.output
    assert "60% kept on 3 of 3 halves; no threshold on 0" in done.output
    assert (recipe / "README.md").read_text() == before


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--accuracy", "0.99"], "200 questions do not show that"),
        (["--unanswerable", "nowhere"], "nowhere has no .jsonl files"),
    ],
)
def test_what_cannot_be_done_is_one_line(recipe: Path, file: Path, words: list[str], message: str):
    file.write_text(
        file.read_text().replace('"answers": ["', '"answers": ["not ') if "0.99" in words else file.read_text()
    )
    done = calibrated(recipe, file, *words)
    assert done.exit_code == 1
    (line,) = done.output.strip().split("\n")
    assert message in line


def test_a_check_needs_two_pictures(recipe: Path, file: Path):
    file.write_text(file.read_text().splitlines()[0] + "\n")
    done = calibrated(recipe, file, "--check", 2)
    assert (done.exit_code, "asks about one picture" in done.output) == (1, True)
