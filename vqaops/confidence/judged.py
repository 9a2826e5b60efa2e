"""A recipe's answers to questions whose right answers are known, computed without a server."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.progress import track

from vqaops.console import new_console
from vqaops.evaluation.scores import calibration_error
from vqaops.questions import Question
from vqaops.training.export import fit_temperature
from vqaserve.errors import InvalidInput, RecipeError
from vqaserve.families import find_family
from vqaserve.families.base import Family
from vqaserve.families.modular.config import ModularConfig
from vqaserve.images import open_picture
from vqaserve.settings import HandlerSettings, ModelConfig
from vqaserve.tasks import find_task
from vqaserve.tasks.base import Task
from vqaserve.types import Answer, Query

_ALL = 1_000_000
"""More answers than a classifier has."""

_LEAST = 1e-30
"""Stands for a score that is zero in single precision, which has no logarithm."""


@dataclass(frozen=True, slots=True)
class Judged:
    """Answers to questions.

    Attributes:
        scores: Score of the best answer [n], in [0, 1].
        right: Whether the best answer is the first correct one (exact match) [n].
        pictures: Number of each question's picture [n].
        temperature: Divisor of the logits in ``scores``; None if the model has none.
        logits: All answers' logits, best first [n, answers]; without columns if the model has no temperature.
        places: The column of the right answer [n]; -1 if the model does not know it.
    """

    scores: np.ndarray
    right: np.ndarray
    pictures: np.ndarray
    temperature: float | None
    logits: np.ndarray
    places: np.ndarray

    def __len__(self) -> int:
        return len(self.scores)

    @classmethod
    def joined(cls, parts: Sequence[Judged]) -> Judged:
        """The answers of one recipe to several sets of questions about different pictures, as one set."""
        counts = [int(part.pictures.max()) + 1 if len(part) else 0 for part in parts]
        starts = np.cumsum([0, *counts[:-1]])
        rows: dict[str, Any] = {
            name: np.concatenate([getattr(part, name) for part in parts])
            for name in ("scores", "right", "logits", "places")
        }
        pictures = np.concatenate([part.pictures + start for part, start in zip(parts, starts, strict=True)])
        return replace(parts[0], **rows, pictures=pictures)

    @property
    def calibration_error(self) -> float:
        """Expected calibration error, as of ``vqaops.evaluation.scores``."""
        return calibration_error(self.scores, self.right.astype(float))

    def only(self, chosen: np.ndarray) -> Judged:
        """The answers to some of the questions, given a mask [n]."""
        rows = {name: getattr(self, name)[chosen] for name in ("scores", "right", "pictures", "logits", "places")}
        return replace(self, **rows)

    def best_temperature(self) -> float | None:
        """The temperature that makes the right answers most likely; None if the model has none."""
        known = self.places >= 0
        if self.temperature is None or not known.any():
            return self.temperature
        return fit_temperature(torch.from_numpy(self.logits[known]), torch.from_numpy(self.places[known]))

    def at(self, temperature: float | None) -> Judged:
        """The same answers with the scores that another temperature gives; without one, as they are."""
        if temperature is None:
            return self
        scores = torch.from_numpy(self.logits / temperature).softmax(1)[:, 0].numpy()
        return replace(self, scores=scores, temperature=temperature)


def judge(recipe: Path, questions: Sequence[Question]) -> Judged:
    """Ask a recipe questions in this process, with its own settings.

    Args:
        recipe: The recipe's folder.
        questions: Questions; those without answers count as answered wrongly.

    Raises:
        RecipeError: The recipe does not load, or a question or a picture cannot be used.
    """
    settings = ModelConfig.read(recipe / "model-config.yaml").handler
    family = find_family(settings.family).load(recipe, settings)
    task = find_task(settings.task)(settings)
    temperature = _temperature(recipe, settings)
    by_picture = sorted(questions, key=lambda one: one.image)
    shown = track(by_picture, "asking", console=new_console(stderr=True), transient=True)
    ranked: list[tuple[Answer, ...]] = []
    for _, asked in groupby(shown, key=lambda one: one.image):
        ranked += _answers(family, task, settings, list(asked), everything=temperature is not None)
    texts = [[answer.answer for answer in answers] for answers in ranked]
    expected = [question.answers[0] if question.answers else None for question in by_picture]
    places = [text.index(right) if right in text else -1 for text, right in zip(texts, expected, strict=True)]
    scores = [[answer.score for answer in answers] for answers in ranked]
    images = {image: number for number, image in enumerate(dict.fromkeys(one.image for one in by_picture))}
    return Judged(
        np.array([of[0] for of in scores]),
        np.array(places) == 0,
        np.array([images[one.image] for one in by_picture]),
        temperature,
        np.log(np.maximum(scores, _LEAST)) * temperature if temperature else np.empty((len(scores), 0)),
        np.array(places),
    )


def _temperature(recipe: Path, settings: HandlerSettings) -> float | None:
    """The temperature in a recipe's weights; only the family ``modular`` answers questions with one."""
    if settings.family != "modular":
        return None
    return ModularConfig.read(recipe / settings.weights / "config.json").temperature


def _answers(
    family: Family[Any, Any], task: Task, settings: HandlerSettings, questions: Sequence[Question], everything: bool
) -> Iterator[tuple[Answer, ...]]:
    """The ranked answers to questions about one picture: all of them, or as many as the recipe gives."""
    queries: list[Query] = []
    try:
        picture = open_picture(questions[0].read_image(), settings.limits.pictures, squeeze=family.squeeze).pixels
        for question in questions:
            query = task.prepare(Query(b"", question.text, labels=question.labels))
            queries.append(replace(query, top_k=_ALL) if everything else query)
    except InvalidInput as error:
        raise RecipeError(f"{questions[len(queries)].source}: {error}") from None
    [features] = family.encode([picture])
    yield from family.decode(family.forward([features] * len(queries), queries), queries)
