"""What the users ask: each recipe's own samples, whose answers are known."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from vqaops.paths import ROOT


@dataclass(frozen=True, slots=True)
class Question:
    """A question about a picture, with the answers that are right."""

    model: str
    picture: bytes
    text: str
    answers: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Refused:
    """A request that must be refused: what is sent, and the status and type of the refusal."""

    status: int
    type: str
    form: dict[str, str]
    picture: bytes | None = None


@cache
def read_questions(recipes: tuple[str, ...] = ()) -> tuple[Question, ...]:
    """Every sample of these recipes; of all that lie in ``recipes/`` if none is named.

    Raises:
        SystemExit: A recipe has no samples.
    """
    folders = [Path(one).resolve() for one in recipes] or sorted(path.parent for path in ROOT.glob("recipes/*/samples"))
    return tuple(question for folder in folders for question in _samples(folder))


def new_picture(picture: bytes, number: int) -> bytes:
    """A file that no cache knows, with the same pixels: decoders stop before what follows a picture."""
    return picture + number.to_bytes(8, "big")


def read_field(body: bytes, name: str) -> object:
    """A field of a JSON object; None if the body is anything else, such as a proxy's page or half an answer."""
    try:
        content = json.loads(body)
    except ValueError:
        return None
    return content.get(name) if isinstance(content, dict) else None


def wrong_answer(body: bytes, answers: Sequence[str]) -> str:
    """What is wrong with the body of a 200; nothing if it gives one of the answers."""
    answer = read_field(body, "answer")
    if answer in answers:
        return ""
    said = repr(answer) if isinstance(answer, str) else f"no answer in {body[:200]!r}"
    return f"{said}, not {' or '.join(answers)}"


def popular(questions: Sequence[Question]) -> list[float]:
    """Weights by Zipf's law: the k-th question is asked 1/k times as often as the first."""
    return [1 / rank for rank in range(1, len(questions) + 1)]


def refusals(picture: bytes) -> list[Refused]:
    """One request of each kind that users get wrong."""
    question = {"question": "what is this?"}
    return [
        Refused(422, "MissingImage", question),
        Refused(422, "InvalidImage", question, picture[: len(picture) // 2][:40]),
        Refused(422, "InvalidQuestion", {"question": ""}, picture),
        Refused(400, "BadRequest", {**question, "top-k": "5"}, picture),
    ]


def _samples(recipe: Path) -> list[Question]:
    file = recipe / "samples" / "questions.jsonl"
    if not file.is_file():
        raise SystemExit(f"{file} is missing: --recipes takes recipe folders, such as recipes/shapes")
    lines = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    return [
        Question(recipe.name, (file.parent / one["image"]).read_bytes(), one["question"], tuple(one["answers"]))
        for one in lines
    ]
