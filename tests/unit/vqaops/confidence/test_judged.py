"""A recipe's answers without a server, and the scores that another temperature gives them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.support.families import encoded, photo
from tests.tiny import make_weights
from tests.tiny.modular import edit_config
from tests.tiny.recipe import complete_recipe
from vqaops.confidence.judged import Judged, judge
from vqaops.questions import Question
from vqaserve.errors import RecipeError

TEXTS = ["what is on the table?", "is the wall red?", "what?"]


def recipe_of(kind: str, folder: Path) -> Path:
    return complete_recipe(folder, make_weights(kind, folder / "weights"), encoded(photo(64, 32)), "what?")


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    return recipe_of("modular", tmp_path / "recipe")


def questions(folder: Path, *answers: str, text: str = "") -> list[Question]:
    found = []
    for seed in range(4):
        path = folder / f"{seed}.png"
        path.write_bytes(encoded(photo(64, 32, seed)))
        found += [Question(path, one, answers, f"q.jsonl:{seed}") for one in ([text] if text else TEXTS)]
    return found


def test_scores_at_a_temperature_are_those_of_a_recipe_that_has_it(recipe: Path, tmp_path: Path):
    asked = questions(tmp_path, "red")
    before = judge(recipe, asked)
    edit_config(recipe, temperature=3.0)
    after = judge(recipe, asked)
    assert (before.temperature, after.temperature) == (1.5, 3.0)
    assert not np.allclose(before.scores, after.scores)
    np.testing.assert_allclose(before.at(3.0).scores, after.scores, rtol=1e-4)


def test_an_answer_is_right_if_it_is_the_first_correct_one(recipe: Path, tmp_path: Path):
    right = {answer: judge(recipe, questions(tmp_path, answer, "no")).right for answer in ("yes", "red", "sofa")}
    assert not right["sofa"].any()
    assert not (right["yes"] & right["red"]).any()


def test_answers_that_the_model_does_not_know_do_not_decide_the_temperature(recipe: Path, tmp_path: Path):
    judged = judge(recipe, questions(tmp_path, "a sofa"))
    assert set(judged.places) == {-1}
    assert judged.best_temperature() == 1.5


def test_the_temperature_that_the_right_answers_were_drawn_at_is_found():
    rng = np.random.default_rng(0)
    logits = -np.sort(-rng.normal(scale=3, size=(4000, 6)))
    chances = np.exp(logits / 2) / np.exp(logits / 2).sum(1, keepdims=True)
    places = (rng.uniform(size=(4000, 1)) > chances.cumsum(1)).sum(1)
    judged = Judged(np.ones(4000), places == 0, np.arange(4000), 1.0, logits, places)
    assert judged.best_temperature() == pytest.approx(2, abs=0.15)
    before, after = judged.at(1.0), judged.at(judged.best_temperature())
    assert after.calibration_error < 0.05 < before.calibration_error


@pytest.mark.parametrize("kind", ["clip"])
def test_a_family_without_a_temperature_has_scores_all_the_same(kind: str, tmp_path: Path):
    recipe = recipe_of(kind, tmp_path / "recipe")
    labels = ("a cat", "a dog") if kind == "clip" else ()
    asked = [Question(one.image, "" if labels else one.text, ("red",), "", labels) for one in questions(tmp_path)]
    judged = judge(recipe, asked)
    assert judged.best_temperature() is None
    assert judged.at(None) is judged
    assert len(judged) == 12
    assert ((judged.scores >= 0) & (judged.scores <= 1)).all()


def test_a_question_that_cannot_be_asked_is_named_by_its_line(recipe: Path, tmp_path: Path):
    asked = questions(tmp_path, "red", text="  ")
    with pytest.raises(RecipeError, match=r"^q.jsonl:0: the question is empty"):
        judge(recipe, asked)


def test_a_picture_that_cannot_be_read_is_named_by_its_line(recipe: Path, tmp_path: Path):
    asked = questions(tmp_path, "red")
    (tmp_path / "2.png").write_bytes(b"no picture")
    with pytest.raises(RecipeError, match=r"^q.jsonl:2: "):
        judge(recipe, asked)


def test_joined_answers_are_all_answers_and_their_pictures_stay_apart(recipe: Path, tmp_path: Path):
    one, other = judge(recipe, questions(tmp_path, "red")), judge(recipe, questions(tmp_path, "yes")[:3])
    both = Judged.joined([one, other])
    assert len(both) == 15
    assert list(both.right) == [*one.right, *other.right]
    assert list(both.pictures) == [*one.pictures, 4, 4, 4]
    assert both.logits.shape == (15, one.logits.shape[1])
