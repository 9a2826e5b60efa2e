"""Files of questions about pictures: one ``{"image", "question", "answers"}`` a line."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Question:
    """One line of a questions file."""

    picture: Path
    text: str
    answers: tuple[str, ...]


def read_questions(file: Path, images: Path) -> list[Question]:
    """The questions of a ``.jsonl`` file with ``{"image", "question", "answers"}`` on each line."""
    lines = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines() if line.strip()]
    return [Question(images / line["image"], line["question"], tuple(line["answers"])) for line in lines]


def samples(recipe: Path) -> Iterator[dict[str, Any]]:
    """The recipe's sample questions: ``{"image", "question", "answers"}`` each."""
    for line in (recipe / "samples" / "questions.jsonl").read_text(encoding="utf-8").splitlines():
        yield json.loads(line)
