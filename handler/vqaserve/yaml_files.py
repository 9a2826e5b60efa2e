"""YAML files of settings, read strictly: a key that appears twice is refused, where PyYAML would keep the last."""

from __future__ import annotations

from collections.abc import Hashable
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from vqaserve.errors import RecipeError
from vqaserve.text_files import read_text
from vqaserve.validation import describe_faults

Schema = TypeVar("Schema", bound=BaseModel)


class _StrictLoader(yaml.SafeLoader):
    """A safe loader that refuses a mapping with two equal keys."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        """Build a mapping whose keys differ.

        Raises:
            yaml.constructor.ConstructorError: Two keys are equal, or the node is not a mapping.
        """
        seen: set[tuple[str, str]] = set()
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode):
                continue
            if (key.tag, key.value) in seen:
                problem = f"the key {key.value!r} appears twice in one mapping; keep one of them"
                raise yaml.constructor.ConstructorError(None, None, problem, key.start_mark)
            seen.add((key.tag, key.value))
        return super().construct_mapping(node, deep)


def read_yaml(path: Path) -> Any:
    """Return the content of a YAML file, with or without a byte order mark.

    Raises:
        RecipeError: The file is missing, cannot be read, is not UTF-8 or is not YAML, or a key appears twice; with the
            number of the line.
    """
    text = read_text(path)
    try:
        return yaml.load(text, _StrictLoader)
    except yaml.constructor.ConstructorError as error:
        raise RecipeError(f"{path}{_line(error)}: {error.problem}") from None
    except yaml.MarkedYAMLError as error:
        raise RecipeError(f"{path}{_line(error)} is not YAML: {error.problem or error.context}") from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:  # ValueError: a date such as 2026-13-01
        raise RecipeError(f"{path} is not YAML: {' '.join(str(error).split())[:200]}") from None


def read_settings(schema: type[Schema], path: Path) -> Schema:
    """Return the content of a YAML file as settings.

    Raises:
        RecipeError: As ``read_yaml`` and ``validate_settings``.
    """
    return validate_settings(schema, read_yaml(path), str(path))


def validate_settings(schema: type[Schema], content: object, source: str) -> Schema:
    """Return decoded content as settings.

    Args:
        schema: The model of the settings.
        content: Usually a mapping.
        source: What the error message calls the content, such as its path.

    Raises:
        RecipeError: A key or a value is not valid; the message names every one.
    """
    try:
        return schema.model_validate(content)
    except ValidationError as error:
        raise RecipeError(f"{source}: {describe_faults(schema, error)}") from None


def _line(error: yaml.MarkedYAMLError) -> str:
    return f":{error.problem_mark.line + 1}" if error.problem_mark else ""
