"""What ``scripts/train.py`` runs: a training for each family that can be trained, imported on use."""

from __future__ import annotations

import logging
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

from vqaops.importing.recipes import Origin, complete_recipe
from vqaops.training.classes.base import hf_weights_of
from vqaops.training.classes.pictures import holds_classes
from vqaops.training.classes.settings import LITE0, ClassTrainSettings
from vqaops.training.classes.training import train_recipe as train_classes
from vqaops.training.datasets import read_split
from vqaops.training.settings import TrainSettings
from vqaops.training.training import train
from vqaserve.errors import RecipeError
from vqaserve.yaml_files import read_yaml

log = logging.getLogger(__name__)

Run = Callable[[Path, str, Path], None]
"""Trains a recipe. Takes its folder, ``--data``, and the recipe's own folder in ``--state``."""

_MODULAR = "modular"
_CLASSIFIERS = ("torchvision_classifier", "hf_image_classifier")

_STORY = """\
Trained with `scripts/train.py` on the settings in `train.yaml`. Fill in: the data and its terms, the license of
these weights, what the model is for, how often it is right, and its limits.

`samples/` holds a drawn picture, so that the archive can be tried; put pictures and questions of your own there.
"""


def run_training(recipe: Path, data: str, state: Path, text_only: bool = False, base: str | None = None) -> None:
    """Train a recipe by the ``family`` that its ``train.yaml`` names; without one, it is ``modular``.

    If there is no ``train.yaml`` and the data is a folder of folders of pictures, one is written for a classifier.

    Args:
        recipe: The recipe's folder.
        data: What ``--data`` names.
        state: Folder of what an interrupted run resumes from.
        text_only: Whether to train the same model without the picture.
        base: The frozen network of a classifier whose ``train.yaml`` is written.

    Raises:
        RecipeError: The settings or the data cannot be used, or no training of the family exists.
    """
    settings_file = recipe / "train.yaml"
    if base is not None or not settings_file.exists():
        _write_settings(settings_file, Path(data), base)
    settings = read_yaml(settings_file)
    family = settings.get("family", _MODULAR) if isinstance(settings, dict) else _MODULAR
    if family not in _RUNS:
        raise RecipeError(f"{settings_file}: family {family!r} cannot be trained here; there are: {', '.join(_RUNS)}")
    if text_only and family != _MODULAR:
        raise RecipeError("--text-only is for models that answer questions; leave it out")
    run = _train_without_picture if text_only else _RUNS[family]
    run(recipe, data, state / recipe.resolve().name)


def _write_settings(file: Path, data: Path, base: str | None) -> None:
    """Write the settings of a classifier, if the data is for one.

    Raises:
        RecipeError: ``base`` is given, and there are settings already, or the data is of another kind.
    """
    if base is not None and file.exists():
        raise RecipeError(f"--base is for a recipe without train.yaml; set base in {file} instead")
    if holds_classes(data):
        family = "hf_image_classifier" if base and hf_weights_of(base) else "torchvision_classifier"
        ClassTrainSettings.model_validate({"family": family, "base": base or LITE0}).write(file)
        log.info("wrote %s, yours to change", file)
    elif base is not None:
        raise RecipeError(f"--base is for classifiers, and {data} holds no folders of pictures")


def _modular(recipe: Path, data: str, state: Path) -> None:
    train(TrainSettings.read(recipe / "train.yaml"), read_split(data, "train"), state, output=recipe)
    _complete(recipe, Origin(_MODULAR, "visual-question-answering", "pytorch", _STORY))


def _train_without_picture(recipe: Path, data: str, state: Path) -> None:
    without = state.with_name(f"{state.name}-text-only")
    settings = TrainSettings.read(recipe / "train.yaml").without_picture()
    train(settings, read_split(data, "train"), without, output=without)


def _redactions(recipe: Path, data: str, state: Path) -> None:
    _import("vqaops.training.redactions.training").train_recipe(recipe, Path(data), state)
    _complete(recipe, Origin("redactions", "document-redaction-detection", "pytorch", _STORY))


def _classes(recipe: Path, data: str, state: Path) -> None:
    train_classes(recipe, Path(data), state)


def _import(module: str) -> Any:
    """Import a module.

    Raises:
        RecipeError: It needs a library that is not installed.
    """
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        raise RecipeError(
            f"this training needs {error.name}: .venv/bin/pip install -c constraints.txt -e '.[train]'"
        ) from None


def _complete(recipe: Path, origin: Origin) -> None:
    for written in complete_recipe(recipe, origin):
        log.info("wrote %s, yours to change", recipe / written)


_RUNS: dict[str, Run] = {_MODULAR: _modular, "redactions": _redactions, **dict.fromkeys(_CLASSIFIERS, _classes)}
