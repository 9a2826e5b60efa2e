from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.support.pictures import encoded
from tests.support.training import make_recipe, run, weights
from vqaops.feedback.export import EVAL, FILE, IMAGES, TRAIN, export
from vqaops.feedback.statistics import by_day, by_version, worst_questions
from vqaops.feedback.store import FeedbackStore, ShownAnswer
from vqaops.questions import read_questions
from vqaops.training.datasets import read_split
from vqaserve.errors import RecipeError

COLOURS = ["red", "green", "blue", "white", "black", "yellow", "purple", "orange", "pink", "brown", "grey", "navy"]


@pytest.fixture
def store(tmp_path: Path) -> FeedbackStore:
    """Twelve pictures with a right answer each, one without a verdict and one whose picture was not kept."""
    store = FeedbackStore(tmp_path / "feedback.sqlite3")
    for number, colour in enumerate(COLOURS):
        shown = ShownAnswer("b", encoded(colour), "what colour?", [("red", 0.5)], "shapes", "1.0.0")
        answer = store.record_answer(shown, ".png")
        store.record_verdict(answer, colour == "red", "" if colour == "red" else colour)
        assert answer == number + 1
    store.record_answer(ShownAnswer("b", encoded("red"), "how many?", [("one", 0.5)], "shapes", "1.0.0"), ".png")
    lost = store.record_answer(ShownAnswer("b", encoded("teal"), "what colour?", [("red", 0.5)], "shapes", "2.0.0"))
    store.record_verdict(lost, False, "teal")
    return store


def test_an_export_is_read_by_training_and_evaluation(store: FeedbackStore, tmp_path: Path):
    folder = tmp_path / "export"
    done = export(store.rows(), folder)
    assert (done.questions, done.pictures, done.without_answer, done.without_picture) == (12, 12, 1, 1)
    questions = read_questions(folder / FILE, folder / IMAGES)
    assert {question.answers[0]: question.read_image() for question in questions} == {
        colour: encoded(colour) for colour in COLOURS
    }
    train, held_out = read_split(str(folder), "train"), read_split(str(folder), "eval")
    assert len(train) + len(held_out) == 12
    assert not {question.image for question in train} & {question.image for question in held_out}
    assert (folder / TRAIN).stat().st_size > (folder / EVAL).stat().st_size > 0


def test_a_recipe_is_trained_on_an_export(store: FeedbackStore, tmp_path: Path):
    export(store.rows(), tmp_path / "export")
    recipe = make_recipe(tmp_path / "mine")
    run(recipe, tmp_path / "export")
    assert weights(recipe)


def test_captions_are_exported_as_labels_with_the_right_one_among_them(tmp_path: Path):
    store = FeedbackStore(tmp_path / "feedback.sqlite3")
    for colour, correction in (("red", ""), ("blue", "a  blue wall")):
        asked = ShownAnswer("b", encoded(colour), "a red\u00a0wall, a cat,", [("a red wall", 0.9)], "clip", "1.0.0")
        number = store.record_answer(replace(asked, task="zero_shot_image_classification"), ".png")
        store.record_verdict(number, not correction, correction)
    export(store.rows(), tmp_path / "export")
    first, second = read_questions(tmp_path / "export" / FILE, tmp_path / "export" / IMAGES)
    assert (first.text, first.labels, first.answers) == ("", ("a red wall", "a cat"), ("a red wall",))
    assert (second.labels, second.answers) == (("a red wall", "a cat", "a blue wall"), ("a blue wall",))


def test_a_classified_picture_is_exported_without_a_question(tmp_path: Path):
    store = FeedbackStore(tmp_path / "feedback.sqlite3")
    shown = ShownAnswer("b", encoded("red"), "", [("wall", 0.5)], "classes", "1.0.0", task="image_classification")
    store.record_verdict(store.record_answer(shown, ".png"), True)
    export(store.rows(), tmp_path / "export")
    (asked,) = read_questions(tmp_path / "export" / FILE, tmp_path / "export" / IMAGES)
    assert (asked.form, asked.answers) == ({}, ("wall",))


def test_the_latest_word_on_a_question_counts(store: FeedbackStore, tmp_path: Path):
    again = ShownAnswer("c", encoded("blue"), "what colour?", [("cyan", 0.5)], "shapes", "1.0.0")
    store.record_verdict(store.record_answer(again, ".png"), True)
    export(store.rows(), tmp_path / "export")
    questions = read_questions(tmp_path / "export" / FILE, tmp_path / "export" / IMAGES)
    assert [row.answers for row in questions if row.read_image() == encoded("blue")] == [("cyan",)]


def test_an_export_overwrites_nothing(store: FeedbackStore, tmp_path: Path):
    export(store.rows(), tmp_path / "export")
    with pytest.raises(RecipeError, match="exists already; give the name of a new folder"):
        export(store.rows(), tmp_path / "export")


def test_an_export_of_nothing_says_what_is_missing(store: FeedbackStore, tmp_path: Path):
    with pytest.raises(
        RecipeError, match="none of 2 answers can be exported: 1 have no right answer, and of 1 the pict"
    ):
        export(store.rows()[-2:], tmp_path / "export")
    assert not (tmp_path / "export").exists()


def test_shares_are_counted_by_version_and_day_and_the_worst_questions_come_first(store: FeedbackStore):
    first, second = by_version(store.rows())
    assert (first.group, first.answers, first.up, first.down) == ("shapes 1.0.0", 13, 1, 11)
    assert (second.group, second.share_up) == ("shapes 2.0.0", 0.0)
    assert sum(share.answers for share in by_day(store.rows())) == 14
    assert [(share.group, share.down) for share in worst_questions(store.rows())] == [("what colour?", 12)]
