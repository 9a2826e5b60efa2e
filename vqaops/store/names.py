"""Names of models and versions: the characters that every program downstream takes.

A model's name stands in the archiver's manifest, in file names, URLs, nginx's map, Prometheus's labels and TorchServe's
log lines. The archiver's own rule is the strictest of them: ``[A-Za-z0-9][A-Za-z0-9_.-]*``.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from typing import Annotated

from pydantic import AfterValidator

from vqaserve.errors import RecipeError

LONGEST_NAME = 128
"""``.registering-<name>-<version>.mar`` must fit the 255 bytes that Linux allows for a file name."""
_REFUSED = re.compile(r"[^A-Za-z0-9_.-]")
_VERSION = re.compile(r"[0-9]{1,9}(\.[0-9]{1,9}){2}")


def check_model_name(name: str) -> str:
    """Return the name if every program downstream takes it.

    Raises:
        RecipeError: The name is empty, is too long, or holds a character that is not allowed; the message names it.
    """
    advice = "rename the recipe's folder; allowed are A-Z, a-z, 0-9, '_', '.' and '-', with a letter or digit first"
    if not name:
        raise RecipeError(f"the model's name is empty: {advice}")
    if refused := _REFUSED.search(name):
        raise RecipeError(f"the model's name {name!r} holds {_described(refused[0])}: {advice}")
    if not name[0].isalnum():
        raise RecipeError(f"the model's name {name!r} begins with {name[0]!r}: {advice}")
    if len(name) > LONGEST_NAME:
        raise RecipeError(f"the model's name has {len(name)} characters, at most {LONGEST_NAME} are allowed: {name!r}")
    return name


def check_version(version: str) -> str:
    """Return the version if it is ``MAJOR.MINOR.PATCH`` in ASCII digits.

    Raises:
        RecipeError: It is not.
    """
    if not _VERSION.fullmatch(version):
        raise RecipeError(f"the version {version!r} is not MAJOR.MINOR.PATCH in the digits 0 to 9, as in 1.0.0")
    return version


def _value_errors(check: Callable[[str], str]) -> Callable[[str], str]:
    """The check with errors that pydantic collects."""

    def checked(text: str) -> str:
        try:
            return check(text)
        except RecipeError as error:
            raise ValueError(str(error)) from None

    return checked


ModelName = Annotated[str, AfterValidator(_value_errors(check_model_name))]
VersionNumber = Annotated[str, AfterValidator(_value_errors(check_version))]


def _described(character: str) -> str:
    if character == " ":
        return "a blank"
    return f"{character!r} (U+{ord(character):04X} {unicodedata.name(character, 'a control character')})"
