"""Data sets to train and evaluate with: a folder in DAQUAR's format, or the easy-VQA package."""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from vqaops.questions import Question, read_questions
from vqaserve.errors import RecipeError

Split = Literal["train", "eval"]


def read_split(data: str, split: Split) -> list[Question]:
    """Read the questions of one split.

    Args:
        data: ``easy-vqa`` for the installed package, otherwise a folder with ``train.jsonl``, ``eval.jsonl`` and
            ``images/``.
        split: Which split.

    Raises:
        RecipeError: The folder or its file of the split is missing or faulty, or the package is not installed.
    """
    return _read_easy_vqa(split) if data == "easy-vqa" else _read_folder(Path(data), split)


def hold_out(questions: Sequence[Question], share: float, seed: int) -> tuple[list[Question], list[Question]]:
    """Split questions into (kept, held out) by picture, so that no picture is in both.

    Args:
        questions: About at least two pictures.
        share: Share of the pictures to hold out; at least one picture is held out, and one kept.
        seed: Seed of the random choice of pictures.

    Raises:
        RecipeError: All questions are about one picture.
    """
    images = sorted({question.image for question in questions})
    if len(images) < 2:
        raise RecipeError("training needs questions about at least two pictures: one to learn from, one to hold out")
    random.Random(seed).shuffle(images)
    held_out = set(images[: min(len(images) - 1, max(1, round(share * len(images))))])
    kept = [question for question in questions if question.image not in held_out]
    return kept, [question for question in questions if question.image in held_out]


def fingerprint(questions: Sequence[Question]) -> str:
    """Return a hash of all data that training reads: questions, answers, and the paths and bytes of the pictures."""
    images = hash_images(sorted({question.image for question in questions}))
    rows = [(str(question.image), question.text, question.answers) for question in questions]
    return hashlib.sha256(json.dumps([images, rows]).encode()).hexdigest()


def hash_images(images: Sequence[Path]) -> str:
    """Return a hash of the paths and bytes of picture files; it takes about a second for hundreds of megabytes."""
    digest = hashlib.sha256()
    for image in images:
        digest.update(str(image).encode() + b"\0" + hashlib.sha256(image.read_bytes()).digest())
    return digest.hexdigest()


def _read_folder(folder: Path, split: Split) -> list[Question]:
    if not folder.is_dir():
        raise RecipeError(f"--data {folder} is not a folder; give one with {split}.jsonl and images/, or easy-vqa")
    file = folder / f"{split}.jsonl"
    if not file.exists():
        raise RecipeError(f"{file} is missing; a folder of data has {split}.jsonl and images/")
    return read_questions(file, folder / "images")


def _read_easy_vqa(split: Split) -> list[Question]:
    try:
        import easy_vqa  # only `shapes` needs it
    except ImportError:
        raise RecipeError("--data easy-vqa needs the package easy-vqa: pip install easy-vqa") from None

    paths, questions = {
        "train": (easy_vqa.get_train_image_paths, easy_vqa.get_train_questions),
        "eval": (easy_vqa.get_test_image_paths, easy_vqa.get_test_questions),
    }[split]
    images = paths()
    return [Question(Path(images[image]), text, (answer,)) for text, answer, image in zip(*questions(), strict=True)]
