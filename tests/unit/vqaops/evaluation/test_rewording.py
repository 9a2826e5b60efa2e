from __future__ import annotations

import random

import pytest

from vqaops.evaluation import rewording as wording

QUESTIONS = {
    "colour": ["what is the colour of the sofa ?", "what color is the sofa ?", "what are the colours of the sofa ?"],
    "number": [
        "how many chairs are there ?",
        "how many chairs are in front of the table ?",
        "how many red lamps found ?",
    ],
    "shape": ["what shape does the image contain?", "is there a red shape in the image?", "is a circle present?"],
    "largest": ["what is the largest object ?", "what is the biggest thing ?"],
    "place": [
        "what is on the table ?",
        "what is found on the left side of the bed ?",
        "what are the objects near the white door ?",
        "what object is found on the floor ?",
        "what is behind the chair ?",
        "what is hung on the wall ?",
    ],
}
ALL = [question for questions in QUESTIONS.values() for question in questions]


@pytest.mark.parametrize("question", ALL)
def test_a_frequent_question_is_reworded_always_alike(question: str):
    reworded = wording.reword(question)
    assert reworded is not None
    assert reworded != question
    assert reworded == wording.reword(question)


@pytest.mark.parametrize("question", ALL)
def test_no_paraphrase_of_training_is_the_held_out_wording(question: str):
    rng = random.Random(0)
    assert wording.reword(question) not in {wording.paraphrase(question, rng) for _ in range(500)}


def test_the_two_sets_share_no_frame():
    training = {frame for form in wording.FORMS for frame in form.training}
    held_out = {frame for form in wording.FORMS for frame in form.held_out}
    assert not training & held_out


@pytest.mark.parametrize("question", ALL)
def test_every_form_recognises_its_own_paraphrases(question: str):
    rng = random.Random(1)
    for _ in range(20):
        assert wording.paraphrase(question, rng).endswith(" ?")


def test_what_is_asked_about_survives_both():
    question = "how many chairs are in front of the table ?"
    rng = random.Random(2)
    for other in [wording.reword(question), *(wording.paraphrase(question, rng) for _ in range(20))]:
        assert "chairs" in other
        assert "the table" in other


@pytest.mark.parametrize(
    "question", ["where are the books ?", "is it raining ?", "", "?", "what is the woman carrying ?"]
)
def test_other_questions_are_left_alone(question: str):
    assert wording.reword(question) is None
    assert wording.paraphrase(question, random.Random(0)) == question


def test_a_mirrored_picture_swaps_left_and_right_and_nothing_else():
    assert wording.mirror("what is left of the leftover right of it ?") == "what is right of the leftover left of it ?"
