"""JSON files, read strictly: Python's parser keeps the last of two equal names, and takes NaN for a number."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any, NoReturn

from vqaserve.errors import RecipeError
from vqaserve.text_files import read_text


def read_json(path: Path, strict: bool = True) -> Any:
    """Return the content of a JSON file, with or without a byte order mark.

    Args:
        path: The file.
        strict: Refuse what JSON leaves open; a file that another library reads too is left to that library.

    Raises:
        RecipeError: The file is missing, cannot be read or is not JSON; with the number of the line.
    """
    return parse_json(read_text(path), str(path), strict)


def read_object(path: Path, strict: bool = True) -> dict[str, Any]:
    """Return the content of a JSON file that holds an object.

    Raises:
        RecipeError: As ``read_json``; or the file holds something else.
    """
    content = read_json(path, strict)
    if not isinstance(content, dict):
        raise RecipeError(f"{path} holds a JSON {_kind(content)}; an object is needed, as in {{...}}")
    return content


def parse_json(text: str, source: str, strict: bool = True) -> Any:
    """Parse JSON text.

    Args:
        text: The text.
        source: What the error message calls the text, such as its path.
        strict: As in ``read_json``.

    Raises:
        RecipeError: It is not JSON.
    """
    hooks: dict[str, Any] = {"object_pairs_hook": _object, "parse_constant": _refuse_constant} if strict else {}
    try:
        return json.loads(text, **hooks)
    except json.JSONDecodeError as error:
        line = f":{error.lineno}" if "\n" in text.rstrip("\n") else ""
        raise RecipeError(f"{source}{line} is not JSON ({error.msg} at column {error.colno})") from None
    except RecursionError:
        raise RecipeError(f"{source} is not JSON that can be read: it is nested too deeply") from None
    except ValueError as error:  # of the hooks; or a number has thousands of digits
        raise RecipeError(f"{source} is not JSON that can be read: {error!s:.200}") from None


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        ((name, _),) = Counter(name for name, _ in pairs).most_common(1)
        raise ValueError(f"the name {name!r:.60} appears twice in one object; keep one of them")
    return made


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a JSON number")


def _kind(content: object) -> str:
    if content is None or isinstance(content, bool):
        return json.dumps(content)
    return "list" if isinstance(content, list) else "text" if isinstance(content, str) else "number"
