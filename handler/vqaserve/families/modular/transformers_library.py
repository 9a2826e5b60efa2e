"""The transformers library, for the parts that are made of it; everything else does without."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from vqaserve.errors import RecipeError


def find_class(name: str, part: str) -> Any:
    """A class of transformers.

    Raises:
        RecipeError: The library is not installed; names the part that wants it and the extra that installs it.
    """
    try:
        return getattr(import_module("transformers"), name)
    except ModuleNotFoundError:
        raise RecipeError(
            f"{part!r} needs the library transformers, which is not installed; "
            ".venv/bin/pip install -c constraints.txt -e '.[hf]'"
        ) from None
