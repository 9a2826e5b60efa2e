"""Importing what a recipe names, and saying which extra installs what it lacks."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from vqaserve.errors import RecipeError

_EXTRAS = {"transformers": "hf", "peft": "hf", "openvino": "openvino"}
"""Libraries that a family imports and a bare server lacks, with the extra that installs them."""


def find_part(place: str, what: str) -> Any:
    """The attribute of a module, as ``module:attribute``.

    Args:
        place: Where it is.
        what: The recipe's word for it, for the message.

    Raises:
        RecipeError: A library that it needs is not installed.
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
