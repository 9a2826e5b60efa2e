"""A threshold for new weights keeps the promise of the recipe's card, or says that it is not shown."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.support.families import encoded, photo
from tests.tiny import make_weights
from tests.tiny.recipe import complete_recipe
from vqaops.confidence.calibration import calibrate
from vqaops.confidence.files import write_calibration
from vqaops.confidence.judged import Judged
from vqaops.confidence.recalibration import promise_of, recalibrate
from vqaserve.settings import ModelConfig

COUNT = 600


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    return complete_recipe(tmp_path, make_weights("vilt", tmp_path / "weights"), encoded(photo(64, 32)), "what?")


def judged(wrong: float) -> Judged:
    """Answers of which half are right with a score of 0.9, and half wrong with another."""
    right = np.arange(COUNT) % 2 == 0
    scores = np.where(right, 0.9, wrong)
    return Judged(scores, right, np.arange(COUNT), None, np.empty((COUNT, 0)), np.where(right, 0, -1))


def threshold(recipe: Path) -> float:
    return ModelConfig.read(recipe / "model-config.yaml").handler.abstain_below


def test_a_recipe_without_a_threshold_stays_without_one(recipe: Path):
    card = (recipe / "README.md").read_text()
    assert recalibrate(recipe, judged(0.9), "feedback") is None
    assert (threshold(recipe), (recipe / "README.md").read_text()) == (0, card)


def test_the_threshold_follows_the_new_scores_and_the_promise_stays(recipe: Path):
    write_calibration(recipe, calibrate(judged(0.5), 0.625, 0.9), "held-out.jsonl")
    before = threshold(recipe)
    assert promise_of((recipe / "README.md").read_text()) == (0.625, 0.9)
    said = recalibrate(recipe, Judged.joined([judged(0.3), judged(0.3)]), "feedback")
    assert (before, threshold(recipe)) == (0.51, 0.31)
    assert said == f"abstain_below is {threshold(recipe):.2f}, before {before:.2f}"
    card = (recipe / "README.md").read_text()
    assert promise_of(card) == (0.625, 0.9)
    assert "1,200 (`feedback`)" in card


def test_a_promise_that_is_not_shown_is_not_on_the_card(recipe: Path):
    write_calibration(recipe, calibrate(judged(0.5), 0.6, 0.95), "held-out.jsonl")
    before = threshold(recipe)
    said = recalibrate(recipe, judged(0.9), "feedback")
    assert said is not None
    assert said.startswith(f"abstain_below stays at {before:.2f}, and the card says that it is not shown: ")
    card = (recipe / "README.md").read_text()
    assert threshold(recipe) == before
    assert "600 questions (`feedback`) do not show that" in card
    assert promise_of(card) == (0.6, 0.95)  # which the next version may keep again


def test_a_threshold_without_a_promise_stays(recipe: Path):
    write_calibration(recipe, calibrate(judged(0.5), 0.6, 0.95), "held-out.jsonl")
    (recipe / "README.md").write_text("# a card")
    before = threshold(recipe)
    assert recalibrate(recipe, judged(0.3), "feedback") == (
        f"abstain_below stays at {before:.2f}: the card does not say what it promises"
    )
    assert (threshold(recipe), (recipe / "README.md").read_text()) == (before, "# a card")
