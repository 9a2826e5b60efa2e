"""What can be learned: questions in the server's spelling, with answers that the model has or gets."""

from __future__ import annotations

from pathlib import Path

import pytest

from vqaops.finetuning.lesson import Lesson
from vqaops.finetuning.rehearsal import draw_pairs
from vqaops.finetuning.tuning import LEARNING
from vqaops.questions import Question
from vqaserve.errors import RecipeError
from vqaserve.families import FAMILIES, find_family


def asked(picture: int, answer: str, text: str = "what?") -> Question:
    return Question(Path(f"{picture}.png"), text, (answer,))


def test_an_answer_of_three_pictures_becomes_one_of_the_models():
    new = [asked(1, "lamp"), asked(2, "lamp"), asked(3, "lamp"), *(asked(1, "typo", text) for text in "abcd")]
    lesson = Lesson.of(new, [], ["red", "blue"])
    assert lesson.answers == ("red", "blue", "lamp")
    assert {question.answers for question in lesson.new} == {("lamp",)}


def test_old_questions_add_no_answers():
    lesson = Lesson.of([asked(1, "red")], [asked(picture, "lamp") for picture in range(9)] + [asked(1, "red")], ["red"])
    assert (lesson.answers, lesson.old) == (("red",), (asked(1, "red"),))


def test_questions_are_spelt_as_the_server_spells_them():
    (question,) = Lesson.of([asked(1, "red", "what\u2019s  \u201cthis\u201d?")], [], ["red"]).new
    assert question.text == 'what\'s "this"?'


def test_nothing_to_learn_is_refused():
    with pytest.raises(RecipeError, match="none of 2 questions can be learned"):
        Lesson.of([asked(1, "lamp"), asked(2, "lamp")], [], ["red"])


def test_an_answer_of_two_lines_is_refused():
    with pytest.raises(RecipeError, match="an answer is one line of text"):
        Lesson.of([asked(1, "a\nb")], [], ["red"])


def test_what_is_rehearsed_was_not_asked():
    questions = [asked(picture, "red", text) for picture in range(9) for text in ("what?", f"which {picture}?")]
    pairs = draw_pairs(questions, ["why?"], 0)
    assert "why?" in {text for _, text in pairs}
    assert len({text for _, text in pairs}) > 2
    assert not set(pairs) & {(question.image, question.text) for question in questions}
    assert {image for image, _ in pairs} <= {question.image for question in questions}
    assert pairs == draw_pairs(questions, ["why?"], 0)


def test_the_families_that_an_error_names_are_those_that_learn():
    assert [name for name in sorted(FAMILIES) if find_family(name).learns] == list(LEARNING)
