"""Imports of optional libraries; a missing one is reported with the extra that installs it."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from vqaserve.errors import RecipeError

_EXTRAS = {"transformers": "hf", "peft": "hf", "openvino": "openvino"}
"""Extras by library."""


def import_object(place: str, what: str) -> Any:
    """Import an attribute of a module.

    Args:
        place: ``module:attribute``.
        what: What the recipe calls it, for the error message.

    Raises:
        RecipeError: An optional library that it needs is not installed.
    """
    module, _, attribute = place.partition(":")
    try:
        return getattr(import_module(module), attribute)
    except ModuleNotFoundError as error:
        if error.name not in _EXTRAS:
            raise
        extra = _EXTRAS[error.name]
        raise RecipeError(
            f"{what} needs {error.name}: .venv/bin/pip install -c constraints.txt -e '.[{extra}]'"
        ) from None
