"""What a simulated audience asks: the kinds of questions that a model was trained without."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import groupby
from pathlib import Path

from rich.progress import track

from loadtest.learning.visitor import Visitor
from vqaops.console import new_console
from vqaops.questions import Question

_WITHHELD = re.compile(r"how many|colou?r of|what colou?r")
_VISITORS = 4


def is_withheld(question: Question) -> bool:
    """Whether a question asks for a number or a colour."""
    return _WITHHELD.search(question.text) is not None


def about(questions: Sequence[Question], pictures: int | None) -> list[Question]:
    """The questions about so many pictures, drawn with a fixed seed; about all of them without a number."""
    images = sorted({question.image for question in questions})
    chosen = set(random.Random(0).sample(images, min(len(images), pictures or len(images))))
    return [question for question in questions if question.image in chosen]


def write_data(folder: Path, questions: Iterable[Question], images: Path, name: str = "train.jsonl") -> Path:
    """Write questions with a link to their pictures, as training and evaluation read them; return the file."""
    folder.mkdir(parents=True, exist_ok=True)
    lines = [
        json.dumps({"image": one.image.name, "question": one.text, "answers": list(one.answers)}) for one in questions
    ]
    (folder / name).write_text("\n".join(lines) + "\n", encoding="utf-8")
    if not (folder / "images").exists():
        (folder / "images").symlink_to(images.resolve())
    return folder / name


def poisoned(questions: Sequence[Question], share: float, seed: int = 0) -> list[Question]:
    """Questions of which a share has the answer to another question, drawn at random, in place of its own."""
    rng = random.Random(seed)
    answers = sorted({question.answers[0] for question in questions})
    return [replace(one, answers=(rng.choice(answers),)) if rng.random() < share else one for one in questions]


def ask_and_judge(url: str, version: str, questions: Sequence[Question]) -> tuple[int, int]:
    """Ask every question on the page, and judge every answer.

    Args:
        url: The page's address.
        version: What is asked, as ``NAME/VERSION``.
        questions: What the audience asks, with what it takes for right.

    Returns:
        Answers, and how many of them were thumbed down and corrected.

    Raises:
        ServerError: The page does not answer.
    """
    by_picture = [
        list(asked) for _, asked in groupby(sorted(questions, key=lambda one: one.image), lambda one: one.image)
    ]

    def one_by_one(visits: Sequence[Sequence[Question]]) -> int:
        visitor = Visitor(url, version)
        try:
            return sum(visitor.visit(asked[0].image, {one.text: one.answers[0] for one in asked}) for asked in visits)
        finally:
            visitor.close()

    with ThreadPoolExecutor(_VISITORS) as pool:
        parts = [by_picture[start::25] for start in range(25)]
        done = pool.map(one_by_one, parts)
        shown = track(done, "asking and judging", len(parts), console=new_console(stderr=True), transient=True)
        wrong = sum(shown)
    return sum(len({one.text for one in asked}) for asked in by_picture), wrong
