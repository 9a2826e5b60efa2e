"""The whole loop on ``shapes``: people correct what it does not know, and the next version knows it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image, ImageDraw
from typer import Typer
from typer.testing import CliRunner, Result

from scripts import improve
from tests.support.pictures import saved
from vqaops.feedback.store import FeedbackStore, ShownAnswer
from vqaops.improving import improvement
from vqaops.paths import RECIPES
from vqaops.rollout.rollout import Rollout
from vqaops.server.server import Server
from vqaops.store import history
from vqaops.yaml_edit import with_values

QUESTION, RIGHT = "how many shapes are there?", "one"
PICTURES = 40


def shape(number: int) -> bytes:
    """A picture that no other has, of a size that easy-VQA has."""
    picture = Image.new("RGB", (64, 64), (235 + number % 20, 240, 236))
    box = (8 + number % 9, 10 + number % 7, 40 + number % 11, 44 + number % 5)
    draw = ImageDraw.Draw(picture)
    (draw.ellipse if number % 2 else draw.rectangle)(box, fill=[(255, 0, 0), (0, 255, 0), (0, 0, 255)][number % 3])
    return saved(picture)


def say(database: Path, question: str, right: str) -> None:
    """What people say of answers on the page."""
    store = FeedbackStore(database)
    for number in range(PICTURES):
        shown = ShownAnswer("browser", shape(number), question, [("no", 0.6)], "shapes", "1.0.0")
        store.record_verdict(store.record_answer(shown, ".png"), False, right)


@pytest.fixture(scope="module")
def server(serve: Callable[..., Server], tmp_path_factory: pytest.TempPathFactory) -> Server:
    recipe = Path(shutil.copytree(RECIPES / "shapes", tmp_path_factory.mktemp("recipes") / "shapes"))
    config = recipe / "model-config.yaml"
    # Latencies of milliseconds vary on a busy machine.
    config.write_text(
        with_values(config.read_text(), {"handler.gate": {"max_latency_ratio": 50}, "minWorkers": 1, "maxWorkers": 1})
    )
    return serve(recipe)


def improved(server: Server, folder: Path, *words: str) -> Result:
    app = Typer()
    app.command()(improve.main)
    options = ["--database", str(folder / "feedback.sqlite3"), "--work", str(folder / "work"), "--run", str(server.run)]
    return CliRunner().invoke(app, ["shapes", *options, "--threads", "1", *words])


def test_what_people_correct_is_known_to_the_next_version(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    say(tmp_path / "feedback.sqlite3", QUESTION, RIGHT)
    with monkeypatch.context() as patch:  # interrupted behind the training, which must not be lost
        patch.delattr(improvement, "build")
        assert isinstance(improved(server, tmp_path).exception, NameError)
    monkeypatch.delattr(improvement, "tune")
    done = improved(server, tmp_path, "--json")
    assert done.exit_code == 0, done.output
    outcome = json.loads(done.stdout)
    assert (outcome["base"], outcome["version"], outcome["promoted"]) == ("1.0.0", "1.1.0", True)
    assert [gate["gate"] for gate in outcome["gates"]] == [
        *("feedback", "golden", "smoke", "agreement", "accuracy", "latency"),
    ]
    assert Rollout(server, lambda text: None).management.default("shapes") == "1.1.0"
    reply = server.client.ask("shapes", shape(PICTURES + 1), {"question": QUESTION})
    assert (reply["answer"], reply["model"]["version"]) == (RIGHT, "1.1.0")


def test_a_version_that_forgets_the_golden_set_is_refused_and_changes_nothing(server: Server, tmp_path: Path):
    default = Rollout(server, lambda text: None).management.default("shapes")
    changes = len(history.read(server.history_file))
    say(tmp_path / "feedback.sqlite3", "what shape is in the image?", "yes")
    done = improved(server, tmp_path)
    assert done.exit_code == 1
    assert "is refused (golden); " in done.output
    assert Rollout(server, lambda text: None).management.default("shapes") == default
    assert len(history.read(server.history_file)) == changes


def test_without_feedback_the_last_line_says_what_is_missing(server: Server, tmp_path: Path):
    done = improved(server, tmp_path)
    assert done.exit_code == 1
    assert "feedback.sqlite3 does not exist" in done.output.strip().splitlines()[-1]
