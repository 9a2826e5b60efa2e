"""The names of a classifier's classes: its answers, or its labels."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from vqaserve.errors import RecipeError
from vqaserve.json_files import read_object


def read_class_names(weights: Path, config: Any) -> list[str]:
    """The name of each class: ``index_to_name.json``, TorchServe's convention, or else the config's ``id2label``.

    Raises:
        RecipeError: The number of answers is not the model's number of classes, or the config has only the names that
            transformers fills in.
    """
    file = weights / "index_to_name.json"
    names: dict[int, str] = dict(config.id2label)
    if file.is_file():
        names = _read_names(file)
    elif any(name == f"LABEL_{index}" for index, name in names.items()):
        raise RecipeError(
            f"{weights / 'config.json'} names its answers LABEL_0, LABEL_1, ..., which transformers fills in where "
            f'training gave no names; write the answers to {file} as {{"0": "yes", "1": "no", ...}}, or to '
            "id2label in config.json"
        )
    if sorted(names) != list(range(config.num_labels)):
        raise RecipeError(f"{weights} names {len(names)} answers for a model with {config.num_labels}")
    return [names[index] for index in range(len(names))]


def _read_names(file: Path) -> dict[int, str]:
    """The names in ``index_to_name.json`` by the numbers of their classes.

    Raises:
        RecipeError: The file cannot be read, or maps anything but numbers to texts.
    """
    names = read_object(file)
    for index, name in names.items():
        if not re.fullmatch(r"[0-9]{1,9}", index) or not isinstance(name, str):
            raise RecipeError(
                f"{file} maps {index!r:.60} to {name!r:.60}; it maps the number of each class to its name, as in "
                '{"0": "yes", "1": "no"}'
            )
    return {int(index): name for index, name in names.items()}
