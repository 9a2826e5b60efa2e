"""What ``scripts/train.py`` runs: a training for each family that can be trained, imported on use."""

from __future__ import annotations

import logging
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

from vqaops.importing.recipes import Origin, complete_recipe
from vqaops.training.datasets import read_split
from vqaops.training.settings import TrainSettings
from vqaops.training.training import train
from vqaserve.errors import RecipeError
from vqaserve.yaml_files import read_yaml

log = logging.getLogger(__name__)

Run = Callable[[Path, str, Path, bool], None]
"""Trains a recipe. Takes its folder, ``--data``, ``--state`` and ``--text-only``."""

_DEFAULT = "modular"

_STORY = """\
Trained with `scripts/train.py` on the settings in `train.yaml`. Fill in: the data and its terms, the license of
these weights, what the model is for, how often it is right, and its limits.

`samples/` holds a drawn picture, so that the archive can be tried; put pictures and questions of your own there.
"""


def run_training(recipe: Path, data: str, state: Path, text_only: bool) -> None:
    """Train a recipe by the ``family`` that its ``train.yaml`` names; without one, it is ``modular``.

    Raises:
        RecipeError: The settings or the data cannot be used, or no training of the family exists.
    """
    settings = read_yaml(recipe / "train.yaml")
    family = settings.get("family", _DEFAULT) if isinstance(settings, dict) else _DEFAULT
    if family not in _RUNS:
        raise RecipeError(
            f"{recipe / 'train.yaml'}: family {family!r} cannot be trained here; there are: {', '.join(sorted(_RUNS))}"
        )
    _RUNS[family](recipe, data, state / recipe.resolve().name, text_only)


def _modular(recipe: Path, data: str, state: Path, text_only: bool) -> None:
    settings = TrainSettings.read(recipe / "train.yaml")
    questions = read_split(data, "train")
    if text_only:
        without = state.with_name(f"{state.name}-text-only")
        train(settings.without_picture(), questions, without, output=without)
        return
    train(settings, questions, state, output=recipe)
    _complete(recipe, Origin("modular", "visual-question-answering", "pytorch", _STORY))


def _redactions(recipe: Path, data: str, state: Path, text_only: bool) -> None:
    if text_only:
        raise RecipeError("--text-only is for models that answer questions; leave it out")
    try:
        training = import_module("vqaops.training.redactions.training")
    except ModuleNotFoundError as error:
        raise RecipeError(
            f"this training needs {error.name}: .venv/bin/pip install -c constraints.txt -e '.[train]'"
        ) from None
    training.train_recipe(recipe, Path(data), state)
    _complete(recipe, Origin("redactions", "document-redaction-detection", "pytorch", _STORY))


def _complete(recipe: Path, origin: Origin) -> None:
    for written in complete_recipe(recipe, origin):
        log.info("wrote %s, yours to change", recipe / written)


_RUNS: dict[str, Run] = {"modular": _modular, "redactions": _redactions}
