"""What a model is to learn, in the answers that it can give."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from vqaops.questions import Question, read_samples
from vqaops.training.vocabulary import refuse_odd_answers
from vqaserve.errors import RecipeError
from vqaserve.tasks.question_text import normalize_question

log = logging.getLogger(__name__)

NEW_ANSWER_PICTURES = 3
"""Pictures for which people must have said an answer that the model cannot give, before it becomes one of its own.

A slip of the pen is rarely repeated; the model would have to learn it from one example."""


@dataclass(frozen=True, slots=True)
class Lesson:
    """What is to be learned, and what is to be kept.

    Attributes:
        new: Questions with right answers, to learn.
        old: Questions that the model was trained on, to be asked again; empty if they are not at hand.
        answers: All answers that the model will have: its own in their order, then new ones.
    """

    new: tuple[Question, ...]
    old: tuple[Question, ...]
    answers: tuple[str, ...]

    @classmethod
    def of(cls, new: Sequence[Question], old: Sequence[Question], answers: Sequence[str]) -> Lesson:
        """A lesson of the questions that the model can learn.

        Args:
            new: Questions to learn.
            old: Questions to keep.
            answers: The answers that the model has.

        Raises:
            RecipeError: An answer is not one line of text, or no question can be learned.
        """
        refuse_odd_answers(new)
        pictures: dict[str, set[Path]] = defaultdict(set)
        for question in new:
            for answer in question.answers:
                pictures[answer].add(question.image)
        added = sorted(
            answer for answer in pictures.keys() - set(answers) if len(pictures[answer]) >= NEW_ANSWER_PICTURES
        )
        known = (*answers, *added)
        lesson = cls(tuple(_askable(new, known)), tuple(_askable(old, known)), known)
        if not lesson.new:
            raise RecipeError(
                f"none of {len(new)} questions can be learned: the model has none of their answers, and a new answer "
                f"needs {NEW_ANSWER_PICTURES} pictures; collect more"
            )
        log.info(
            "%d of %d new questions, %d old ones, %d new answers",
            len(lesson.new),
            len(new),
            len(lesson.old),
            len(added),
        )
        return lesson


def _askable(questions: Sequence[Question], known: Sequence[str]) -> Iterator[Question]:
    """Questions as the server would pass them on, with those of their answers that the model has."""
    have = set(known)
    for question in questions:
        if answers := tuple(answer for answer in question.answers if answer in have):
            yield replace(question, text=normalize_question(question.text, len(question.text)), answers=answers)


def sample_texts(recipe: Path) -> list[str]:
    """The questions of a recipe's samples, as the server would pass them on.

    Raises:
        RecipeError: The samples cannot be read.
    """
    return [normalize_question(sample.text, len(sample.text)) for sample in read_samples(recipe)]
