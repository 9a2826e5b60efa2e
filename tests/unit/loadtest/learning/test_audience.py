"""What a simulated audience asks, and how much of what it says is nonsense."""

from __future__ import annotations

from pathlib import Path

import pytest

from loadtest.learning.audience import about, is_withheld, poisoned, write_data
from vqaops.questions import Question, pictures_beside, read_questions

QUESTIONS = [
    Question(Path(f"{number % 40}.png"), f"what is {number}?", (f"answer {number % 10}",)) for number in range(400)
]


@pytest.mark.parametrize(
    ("text", "withheld"),
    [
        ("how many chairs are there ?", True),
        ("what is the colour of the wall ?", True),
        ("what color is it?", True),
        ("what is on the desk ?", False),
        ("what is behind the coloured box ?", False),
    ],
)
def test_numbers_and_colours_are_withheld(text: str, withheld: bool):
    assert is_withheld(Question(Path("a.png"), text, ())) is withheld


def test_a_share_of_the_answers_is_nonsense_and_the_questions_stay():
    said = poisoned(QUESTIONS, 0.3)
    assert [(one.image, one.text) for one in said] == [(one.image, one.text) for one in QUESTIONS]
    other = sum(one.answers != before.answers for one, before in zip(said, QUESTIONS, strict=True))
    assert 0.2 < other / len(QUESTIONS) < 0.35  # a tenth of the draws is right by chance
    assert poisoned(QUESTIONS, 0) == QUESTIONS


def test_some_pictures_are_taken_with_all_their_questions():
    some = about(QUESTIONS, 10)
    assert len(some) == 100
    assert some == about(QUESTIONS, 10)
    assert about(QUESTIONS, None) == QUESTIONS


def test_written_data_is_read_again(tmp_path: Path):
    images = tmp_path / "pictures"
    images.mkdir()
    (images / "0.png").touch()
    question = Question(images / "0.png", "what is it?", ("a", "b"))
    file = write_data(tmp_path / "data", [question], images)
    (read,) = read_questions(file, pictures_beside(file))
    assert (read.image.resolve(), read.text, read.answers) == (
        question.image.resolve(),
        question.text,
        question.answers,
    )
