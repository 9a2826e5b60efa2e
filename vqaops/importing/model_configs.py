"""Folders of models and their JSON files."""

from __future__ import annotations

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
