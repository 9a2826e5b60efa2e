"""Feedback as a questions file with its pictures, which training and evaluation read."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vqaops.feedback.store import Feedback
from vqaops.server.descriptions import form_of_text
from vqaserve.errors import RecipeError
from vqaserve.protocols.base import split_labels
from vqaserve.tasks.question_text import normalize_question

FILE, TRAIN, EVAL = "feedback.jsonl", "train.jsonl", "eval.jsonl"
IMAGES = "images"
_EVAL_SHARE = 0.2
"""Share of the pictures whose questions are for evaluation; a picture's hash decides, so later exports agree."""


@dataclass(frozen=True, slots=True)
class Exported:
    """What an export wrote and what it left out.

    Attributes:
        questions: Questions that were written; one for each question about a picture, with its latest answer.
        learned: Those of them in ``train.jsonl``.
        held_out: Those of them in ``eval.jsonl``.
        pictures: Picture files that were written.
        without_answer: Rows of which nobody said what is right.
        without_picture: Rows with a right answer whose picture was not kept.
    """

    questions: int
    learned: int
    held_out: int
    pictures: int
    without_answer: int
    without_picture: int


def export(rows: Sequence[Feedback], folder: Path) -> Exported:
    """Write all questions as ``feedback.jsonl``, split into ``train.jsonl`` and ``eval.jsonl`` too, and ``images/``.

    Args:
        rows: Feedback, oldest first; of several about one question and picture, the last one counts.
        folder: Does not exist yet, or is empty.

    Raises:
        RecipeError: The folder holds something, or there is nothing to export.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise RecipeError(f"{folder} exists already; give the name of a new folder")
    said = [row for row in rows if row.right_answer]
    found = {(row.picture, row.task, row.question): row for row in said if row.kept is not None and row.kept.is_file()}
    without_picture = sum(row.kept is None or not row.kept.is_file() for row in said)
    if not found:
        raise RecipeError(
            f"none of {len(rows)} answers can be exported: {len(rows) - len(said)} have no right answer, and of "
            f"{without_picture} the picture was not kept"
        )
    images = folder / IMAGES
    images.mkdir(parents=True)
    lines: list[dict[str, Any]] = []
    for row in found.values():
        assert row.kept is not None
        if not (images / row.kept.name).exists():
            shutil.copyfile(row.kept, images / row.kept.name)
        lines.append({"image": row.kept.name, **_asked(row)})
    held_out = [line for line in lines if _is_held_out(line["image"])]
    kept = [line for line in lines if not _is_held_out(line["image"])]
    for name, part in {FILE: lines, TRAIN: kept, EVAL: held_out}.items():
        text = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in part)
        (folder / name).write_text(text, encoding="utf-8")
    pictures = len({line["image"] for line in lines})
    return Exported(len(lines), len(kept), len(held_out), pictures, len(rows) - len(said), without_picture)


def _asked(row: Feedback) -> dict[str, Any]:
    """What was asked about the picture and what is right, as ``vqaops.questions`` reads it.

    Captions are spelt as the server spells them, which would refuse two of one spelling. The right one is among them
    even if a person had to name it: no model could choose it otherwise.
    """
    form = form_of_text(row.task, row.question)
    if "labels" not in form:
        return {**form, "answers": [row.right_answer]}
    *captions, right = [normalize_question(one, len(one)) for one in (*split_labels(row.question), row.right_answer)]
    return {"labels": list(dict.fromkeys([*captions, right])), "answers": [right]}


def _is_held_out(image: str) -> bool:
    return int(image[:8], 16) < _EVAL_SHARE * 2**32
