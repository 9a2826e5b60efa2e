"""The calibration of a recipe: its temperature, its threshold, and what the model cannot know."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from vqaops.confidence.judged import Judged, judge
from vqaops.confidence.threshold import Promise, choose_threshold
from vqaops.questions import Question, read_questions
from vqaserve.errors import RecipeError


@dataclass(frozen=True, slots=True)
class Unanswerable:
    """Questions of one kind that a model cannot know the answer to.

    Attributes:
        kind: What they have in common.
        questions: How many.
        unsure: How many of them have an answer below the threshold.
    """

    kind: str
    questions: int
    unsure: int


@dataclass(frozen=True, slots=True)
class Calibration:
    """What a calibration found.

    Attributes:
        judged: The answers, at the fitted temperature.
        promise: The threshold, and what it keeps.
        unanswerable: Questions that should fall below it, by kind.
    """

    judged: Judged
    promise: Promise
    unanswerable: Sequence[Unanswerable] = ()


def calibrate(judged: Judged, accuracy: float, confidence: float) -> Calibration:
    """Fit the temperature, and choose the threshold.

    Args:
        judged: Answers to held-out questions, as the recipe gives them.
        accuracy: As of ``choose_threshold``.
        confidence: As of ``choose_threshold``.

    Raises:
        RecipeError: No threshold keeps the wish.
    """
    tempered = judged.at(judged.best_temperature())
    return Calibration(tempered, choose_threshold(tempered, accuracy, confidence))


def read_unanswerable(folder: Path) -> dict[str, list[Question]]:
    """Read questions that nobody can answer: a file for each kind, which is named after it.

    Args:
        folder: ``.jsonl`` files; the pictures' paths are relative to it.

    Raises:
        RecipeError: There is no file, or a file is faulty.
    """
    files = sorted(folder.glob("*.jsonl"))
    if not files:
        raise RecipeError(f"{folder} has no .jsonl files; give a folder with a file for each kind of question")
    return {file.stem.replace("-", " "): read_questions(file, folder, need_answers=False) for file in files}


def judge_unanswerable(
    recipe: Path, kinds: dict[str, list[Question]], temperature: float | None, threshold: float
) -> list[Unanswerable]:
    """Count the questions of each kind whose answer is below the threshold.

    Raises:
        RecipeError: As ``judge``.
    """
    return [
        Unanswerable(kind, len(questions), int((judge(recipe, questions).at(temperature).scores < threshold).sum()))
        for kind, questions in kinds.items()
    ]


def risk_and_coverage(judged: Judged) -> tuple[np.ndarray, np.ndarray]:
    """The share of wrong answers among the surest of all, for every number of them (Geifman and El-Yaniv, 2017).

    Returns:
        Coverage and risk [n], in [0, 1].
    """
    wrong = ~judged.right[np.argsort(-judged.scores, kind="stable")]
    count = np.arange(1, len(wrong) + 1)
    return count / len(wrong), np.cumsum(wrong) / count
