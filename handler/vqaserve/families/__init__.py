"""What answers: a table of model families, each imported on use.

To add one, write a module with a ``Family`` (see ``base.py``) and add its line here.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

from vqaserve.errors import RecipeError
from vqaserve.families.base import Family

FAMILIES = {
    "dummy": "vqaserve.families.dummy:Dummy",
    "modular": "vqaserve.families.modular:Modular",
}


def find_family(name: str) -> type[Family[Any, Any]]:
    """The family class that a recipe names.

    Raises:
        RecipeError: There is no such family.
    """
    try:
        module, _, attribute = FAMILIES[name].partition(":")
    except KeyError:
        raise RecipeError(f"family {name!r} does not exist; there are: {', '.join(sorted(FAMILIES))}") from None
    family: type[Family[Any, Any]] = getattr(import_module(module), attribute)
    return family
