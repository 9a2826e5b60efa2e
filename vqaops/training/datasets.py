"""Questions about pictures: DAQUAR's format in any folder, or the easy-VQA package."""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Split = Literal["train", "eval"]


@dataclass(frozen=True, slots=True)
class Example:
    """A question about a picture; the first of the answers is the one that counts."""

    image: Path
    question: str
    answers: tuple[str, ...]


def read_examples(data: str, split: Split) -> list[Example]:
    """The questions of one split.

    Args:
        data: ``easy-vqa`` for the installed package, otherwise a folder with ``train.jsonl``,
            ``eval.jsonl`` and ``images/``; a line is ``{"image", "question", "answers"}``.
        split: Which part.
    """
    return _easy_vqa(split) if data == "easy-vqa" else _folder(Path(data), split)


def hold_out(examples: Sequence[Example], share: float, seed: int) -> tuple[list[Example], list[Example]]:
    """Split by picture, so that no picture is on both sides: (kept, held out)."""
    pictures = sorted({example.image for example in examples})
    random.Random(seed).shuffle(pictures)
    apart = set(pictures[: max(1, round(share * len(pictures)))])
    kept = [example for example in examples if example.image not in apart]
    return kept, [example for example in examples if example.image in apart]


def fingerprint(examples: Sequence[Example]) -> str:
    """A hash of all that training takes from its data: the questions, their answers, the pictures' paths and bytes."""
    pictures = hash_pictures(sorted({example.image for example in examples}))
    rows = [(str(example.image), example.question, example.answers) for example in examples]
    return hashlib.sha256(json.dumps([pictures, rows]).encode()).hexdigest()


def hash_pictures(images: Sequence[Path]) -> str:
    """A hash of the pictures' paths and bytes; hundreds of megabytes take a second, and are read anyway."""
    digest = hashlib.sha256()
    for image in images:
        digest.update(str(image).encode() + b"\0" + hashlib.sha256(image.read_bytes()).digest())
    return digest.hexdigest()


def _folder(folder: Path, split: Split) -> list[Example]:
    lines = (folder / f"{split}.jsonl").read_text(encoding="utf-8").splitlines()
    rows = [json.loads(line) for line in lines]
    return [Example(folder / "images" / row["image"], row["question"], tuple(row["answers"])) for row in rows]


def _easy_vqa(split: Split) -> list[Example]:
    import easy_vqa  # only `shapes` needs it

    paths, questions = {
        "train": (easy_vqa.get_train_image_paths, easy_vqa.get_train_questions),
        "eval": (easy_vqa.get_test_image_paths, easy_vqa.get_test_questions),
    }[split]
    images = paths()
    return [
        Example(Path(images[image]), question, (answer,)) for question, answer, image in zip(*questions(), strict=True)
    ]
