"""Fine-tuning by the way that a model's family learns (``Family.learns``), imported on use."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path

from vqaops.questions import Question
from vqaserve.errors import RecipeError
from vqaserve.families import find_family
from vqaserve.settings import ModelConfig

Tune = Callable[[Path, Sequence[Question], Sequence[Question], Path, Path], None]
"""Takes a recipe, questions to learn, questions to keep, the folder of its state, and the recipe to write into."""

LEARNING = ("hf_classifier", "modular")
"""Families that say how they learn."""

_WAYS = {
    "heads": "vqaops.finetuning.heads:tune_heads",
    "last layer": "vqaops.finetuning.last_layer:tune_last_layer",
}


def tune(recipe: Path, new: Sequence[Question], old: Sequence[Question], state: Path, output: Path) -> None:
    """Let a recipe learn from questions, and write its new weights.

    Args:
        recipe: The recipe's folder.
        new: Questions to learn, about at least two pictures.
        old: Questions that it was trained on; without them, its own answers are kept.
        state: Folder of the state that an interrupted run resumes from.
        output: A copy of the recipe; its weights are replaced.

    Raises:
        RecipeError: The family cannot learn from questions, or the recipe, a question or a picture cannot be used.
    """
    name = ModelConfig.read(recipe / "model-config.yaml").handler.family
    way = find_family(name).learns
    if not way:
        raise RecipeError(f"family {name!r} cannot learn from questions; these can: {', '.join(LEARNING)}")
    module, _, function = _WAYS[way].partition(":")
    learn: Tune = getattr(import_module(module), function)
    learn(recipe, new, old, state, output)


def tune_copy(recipe: Path, new: Sequence[Question], old: Sequence[Question], state: Path, output: Path) -> None:
    """Write a recipe that has learned; the one that it comes from stays as it is.

    Args:
        recipe: As of ``tune``.
        new: As of ``tune``.
        old: As of ``tune``.
        state: As of ``tune``.
        output: A folder that does not exist yet; it appears when the recipe is complete.

    Raises:
        RecipeError: The output exists, or as ``tune``.
    """
    if output.exists():
        raise RecipeError(f"{output} exists already; give the name of a new folder")
    output.parent.mkdir(parents=True, exist_ok=True)
    partial = output.with_name(f".{output.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    shutil.copytree(recipe, partial)
    tune(recipe, new, old, state, partial)
    partial.rename(output)
