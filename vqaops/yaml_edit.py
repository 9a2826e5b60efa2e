"""Values written into YAML text whose comments stay."""

from __future__ import annotations

from collections.abc import Mapping
from io import StringIO
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from vqaserve.errors import RecipeError


def with_values(text: str, values: Mapping[str, object]) -> str:
    """Return YAML text with some values set; comments, order and line ends stay.

    Args:
        text: A mapping in YAML.
        values: The values by their keys; ``handler.threads`` is a key of the mapping ``handler``.

    Raises:
        RecipeError: The text is YAML 1.1 only, as the server reads it, and not YAML 1.2, which keeps comments.
    """
    yaml = YAML()  # keeps comments
    yaml.preserve_quotes = True
    yaml.width = 10_000  # wraps no line
    line_end = "\r\n" if "\r\n" in text else "\n"
    try:
        document: Any = yaml.load(text.replace("\r\n", "\n"))
    except YAMLError as error:
        reason = " ".join(str(error).split())[:200]
        raise RecipeError(f"settings cannot be changed in this file, which is not YAML 1.2: {reason}") from None
    for path, value in values.items():
        *parents, key = path.split(".")
        mapping = document
        for parent in parents:
            mapping = mapping[parent]
        mapping[key] = value
    written = StringIO()
    yaml.dump(document, written)
    return written.getvalue().replace("\n", line_end)
