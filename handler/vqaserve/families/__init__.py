"""What answers: a table of model families, each imported on use.

To add one, write a module with a ``Family`` (see ``base.py``) and add its line here.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

from vqaserve.errors import RecipeError
from vqaserve.families.base import Family

FAMILIES = {
    "clip_llm": "vqaserve.families.clip_llm:ClipLlm",
    "dummy": "vqaserve.families.dummy:Dummy",
    "hf_classifier": "vqaserve.families.hf_classifier:HfClassifier",
    "hf_generative": "vqaserve.families.hf_generative:HfGenerative",
    "modular": "vqaserve.families.modular:Modular",
}

_EXTRAS = {"transformers": "hf", "peft": "hf"}
"""Libraries that a family imports and a bare server lacks, with the extra that installs them."""


def find_family(name: str) -> type[Family[Any, Any]]:
    """The family class that a recipe names.

    Raises:
        RecipeError: There is no such family, or a library that it needs is not installed.
    """
    try:
        module, _, attribute = FAMILIES[name].partition(":")
    except KeyError:
        raise RecipeError(f"family {name!r} does not exist; there are: {', '.join(sorted(FAMILIES))}") from None
    try:
        family: type[Family[Any, Any]] = getattr(import_module(module), attribute)
    except ModuleNotFoundError as error:
        if error.name not in _EXTRAS:
            raise
        raise RecipeError(
            f"family {name!r} needs {error.name}: "
            f".venv/bin/pip install -c constraints.txt -e '.[{_EXTRAS[error.name]}]'"
        ) from None
    return family
