"""What the users ask: each recipe's sample questions, whose answers are known."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

from vqaops.paths import SERVED, resolved
from vqaops.questions import read_questions


@dataclass(frozen=True, slots=True)
class ModelQuestion:
    """A question to a model about a picture, the form that asks it, and the answers that are right."""

    model: str
    picture: bytes
    title: str
    form: dict[str, str]
    answers: tuple[str, ...]


@cache
def model_questions(recipes: tuple[str, ...] = ()) -> tuple[ModelQuestion, ...]:
    """Return every sample of some recipes, by default of those that are served by default.

    Args:
        recipes: Recipe folders.

    Raises:
        RecipeError: A recipe has no samples, or a sample is faulty or has no answers to check replies with.
    """
    folders = [resolved(Path(one)) for one in recipes] or SERVED
    return tuple(
        ModelQuestion(folder.name, sample.read_image(), sample.title, sample.form, sample.answers)
        for folder in folders
        for sample in read_questions(folder / "samples" / "questions.jsonl", folder / "samples")
    )
