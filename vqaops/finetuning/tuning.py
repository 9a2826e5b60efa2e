"""Fine-tuning by the way that a model's family learns (``Family.learns``), imported on use."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from vqaops.finetuning.choices import NO_CHOICES, Choices
from vqaops.questions import Question
from vqaserve.errors import RecipeError
from vqaserve.families import find_family
from vqaserve.families.extras import import_object
from vqaserve.settings import ModelConfig

Tune = Callable[..., None]
"""Takes a recipe, questions to learn, questions to keep, the folder of its state, and the recipe to write into. The
training of an adapter also takes ``choices``."""

LEARNING = ("clip_llm", "hf_classifier", "hf_generative", "modular")
"""Families that say how they learn."""

_ADAPTER = "adapter"
"""The way that takes ``Choices``."""

_WAYS = {
    _ADAPTER: "vqaops.finetuning.adapter:tune_adapter",
    "heads": "vqaops.finetuning.heads:tune_heads",
    "last layer": "vqaops.finetuning.last_layer:tune_last_layer",
}


def tune(
    recipe: Path,
    new: Sequence[Question],
    old: Sequence[Question],
    state: Path,
    output: Path,
    choices: Choices = NO_CHOICES,
) -> None:
    """Let a recipe learn from questions, and write its new weights.

    Args:
        recipe: The recipe's folder.
        new: Questions to learn, about at least two pictures.
        old: Questions that it was trained on; without them, its own answers are kept.
        state: Folder of the state that an interrupted run resumes from.
        output: A copy of the recipe; its weights are replaced.
        choices: Of the user, for a family that learns by an adapter.

    Raises:
        RecipeError: The family cannot learn from questions, or the recipe, a question, a picture or a choice cannot be
            used.
    """
    name = ModelConfig.read(recipe / "model-config.yaml").handler.family
    way = find_family(name).learns
    if not way:
        raise RecipeError(f"family {name!r} cannot learn from questions; these can: {', '.join(LEARNING)}")
    learn: Tune = import_object(_WAYS[way], f"a training of {name!r}")
    if choices != NO_CHOICES:
        if way != _ADAPTER:
            raise RecipeError(
                "--lora-rank, --learning-rate and --epochs are for a family that learns by a LoRA adapter, and "
                f"{name!r} learns by its {way}; leave them out"
            )
        learn = partial(learn, choices=choices)
    learn(recipe, new, old, state, output)


def tune_copy(
    recipe: Path,
    new: Sequence[Question],
    old: Sequence[Question],
    state: Path,
    output: Path,
    choices: Choices = NO_CHOICES,
) -> None:
    """Write a recipe that has learned; the one that it comes from stays as it is.

    Args:
        recipe: As of ``tune``.
        new: As of ``tune``.
        old: As of ``tune``.
        state: As of ``tune``.
        output: A folder that does not exist yet; it appears when the recipe is complete.
        choices: As of ``tune``.

    Raises:
        RecipeError: The output exists, or as ``tune``.
    """
    if output.exists():
        raise RecipeError(f"{output} exists already; give the name of a new folder")
    output.parent.mkdir(parents=True, exist_ok=True)
    incomplete = output.with_name(f".{output.name}.partial")
    shutil.rmtree(incomplete, ignore_errors=True)
    shutil.copytree(recipe, incomplete)
    tune(recipe, new, old, state, incomplete, choices)
    incomplete.rename(output)
