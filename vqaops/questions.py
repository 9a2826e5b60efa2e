"""Files of questions about pictures: ``{"image", "question", "answers"}`` on each line.

For other tasks a line has candidate ``labels`` in place of the question, or neither.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from vqaserve.errors import RecipeError
from vqaserve.json_files import parse_json
from vqaserve.text_files import decode, read_text, split_lines
from vqaserve.validation import describe_faults

_FORMAT = '{"image": "kitchen.jpg", "question": "what is on the table?", "answers": ["cup"]}'


@dataclass(frozen=True, slots=True)
class Question:
    """A question about a picture.

    Attributes:
        image: Path of the picture.
        text: The question; empty for a task without one.
        answers: Correct answers; exact match compares with the first. Only samples may have none.
        source: Where the question stands, as ``FILE:LINE``, for error messages.
        labels: Candidate labels in place of a question.
    """

    image: Path
    text: str
    answers: tuple[str, ...]
    source: str = field(default="", compare=False)
    labels: tuple[str, ...] = ()

    @property
    def form(self) -> dict[str, str]:
        """The fields of a form that asks it, besides the picture."""
        return form_of(self.text, self.labels)

    @property
    def title(self) -> str:
        """What is asked, for people to read."""
        return self.text or ", ".join(self.labels) or "what is it?"

    def read_image(self) -> bytes:
        """Return the bytes of the picture file.

        Raises:
            RecipeError: The file cannot be read.
        """
        try:
            return self.image.read_bytes()
        except OSError as error:
            raise RecipeError(f"{self.source}: the picture {self.image} cannot be read: {error.strerror}") from None


def form_of(text: str, labels: Sequence[str] = ()) -> dict[str, str]:
    """The fields of a form that asks a question or ranks labels, besides the picture."""
    return {**({"question": text} if text else {}), **({"labels": json.dumps(list(labels))} if labels else {})}


def read_questions(file: Path, images: Path, need_answers: bool = True) -> list[Question]:
    """Read a questions file.

    Args:
        file: A ``.jsonl`` file; empty lines are skipped, and keys that are not ours are ignored.
        images: Folder that the paths of the pictures are relative to.
        need_answers: Whether a question without answers is a fault.

    Raises:
        RecipeError: The file cannot be read or has no questions, a line is faulty, or a picture is missing. The message
            names the file and the line.
    """
    questions = list(parse_questions(read_text(file), str(file), images, need_answers))
    present: dict[Path, bool] = {}
    for question in questions:
        if question.image not in present:
            present[question.image] = _is_file(question.image)
        if not present[question.image]:
            raise RecipeError(f"{question.source}: the picture {question.image} is missing")
    return questions


def pictures_beside(file: Path) -> Path:
    """The folder of the pictures of a questions file: ``images/`` beside it, or else its own folder."""
    images = file.parent / "images"
    return images if images.is_dir() else file.parent


def read_samples(recipe: Path) -> list[Question]:
    """Read the sample questions of a recipe folder, ``samples/questions.jsonl``; they may have no answers.

    Raises:
        RecipeError: As ``read_questions``.
    """
    samples = recipe / "samples"
    return read_questions(samples / "questions.jsonl", samples, need_answers=False)


def parse_questions(text: str | bytes, source: str, images: Path, need_answers: bool = True) -> list[Question]:
    """Parse the content of a questions file, without a look at the pictures.

    Args:
        text: The content.
        source: What error messages call the file.
        images: As in ``read_questions``.
        need_answers: As in ``read_questions``.

    Raises:
        RecipeError: There are no questions, or a line is faulty.
    """
    if isinstance(text, bytes):
        text = decode(text, source)
    questions = list(_parse_lines(text, source, images, _Record if need_answers else _Sample))
    if not questions:
        raise RecipeError(f"{source} has no questions; each line is an object such as {_FORMAT}")
    return questions


class _Record(BaseModel):
    model_config = ConfigDict(strict=True)

    image: Annotated[str, Field(min_length=1)]
    question: str = ""
    labels: list[str] = []
    answers: Annotated[list[str], Field(min_length=1)]

    @model_validator(mode="before")
    @classmethod
    def _has_question(cls, line: object) -> object:
        """Only a line of pictures and answers needs no question; in one with other keys, its name is misspelt."""
        if isinstance(line, dict) and not {"question", "labels"} & line.keys() and line.keys() - {"image", "answers"}:
            raise ValueError(f"it has neither 'question' nor 'labels', but {', '.join(map(repr, line))[:200]}")
        return line


class _Sample(_Record):
    answers: list[str] = []


def _parse_lines(text: str, source: str, images: Path, schema: type[_Record]) -> Iterator[Question]:
    for number, line in enumerate(split_lines(text), 1):
        if not line.strip():
            continue
        where = f"{source}:{number}"
        try:
            record = schema.model_validate(parse_json(line, where))
        except RecipeError as error:
            raise RecipeError(f"{error}; a line is an object such as {_FORMAT}") from None
        except ValidationError as error:
            faults = describe_faults(schema, error, "entry")
            raise RecipeError(f"{where}: {faults}; a line is an object such as {_FORMAT}") from None
        yield Question(images / record.image, record.question, tuple(record.answers), where, tuple(record.labels))


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # the name is too long
        return False
