"""Folders of models and their JSON files."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from vqaserve.errors import RecipeError


def check_folder(option: str, folder: Path) -> None:
    """Refuse an option that is not a folder.

    Raises:
        RecipeError: It is a file, or does not exist.
    """
    if not folder.is_dir():
        raise RecipeError(f"{option} {folder} is {'a file' if folder.exists() else 'missing'}; it takes a folder")


def model_kind(config: Mapping[str, Any]) -> str:
    """The architecture of a ``config.json``, or else its model type."""
    architectures = config.get("architectures")
    named = architectures[0] if isinstance(architectures, list) and architectures else config.get("model_type")
    return str(named or "model of an unknown kind")


def read_object(file: Path) -> dict[str, Any]:
    """Read a JSON file that holds an object.

    Raises:
        RecipeError: The file is missing or damaged, or holds something else.
    """
    try:
        content = json.loads(file.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError) as error:
        raise RecipeError(f"{file} is not a JSON file ({error})") from None
    if not isinstance(content, dict):
        raise RecipeError(f"{file} holds a {type(content).__name__}, not an object")
    return content
