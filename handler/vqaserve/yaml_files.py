"""YAML files of settings, read strictly.

A key that appears twice is refused, where PyYAML would keep the last; and so is a file of a few lines whose references
(``*name``) stand for gigabytes.
"""

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

_MAX_NODES = 100_000
"""Values of a whole file, each counted as often as it is referred to."""


class _StrictLoader(yaml.SafeLoader):
    """A safe loader that refuses a mapping with two equal keys, and references that expand without measure."""

    def construct_document(self, node: yaml.Node) -> Any:
        """Build the content of a file.

        Raises:
            yaml.constructor.ConstructorError: A value holds itself, or the file stands for too many values.
        """
        _count_nodes(node, {})
        return super().construct_document(node)

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


def _count_nodes(node: yaml.Node, counts: dict[yaml.Node, int]) -> int:
    """Count the values below a node; ``counts`` holds 0 for a node that is being counted.

    Raises:
        yaml.constructor.ConstructorError: A node is below itself, or there are too many.
    """
    if node not in counts:
        counts[node] = 0
        parts = node.value if isinstance(node, yaml.CollectionNode) else ()
        inner = [one for part in parts for one in (part if isinstance(part, tuple) else (part,))]
        counts[node] = 1 + sum(_count_nodes(one, counts) for one in inner)
    elif not counts[node]:
        raise yaml.constructor.ConstructorError(None, None, "a value refers to itself", node.start_mark)
    if counts[node] > _MAX_NODES:
        problem = f"the references stand for more than {_MAX_NODES:,} values; write out those that are needed"
        raise yaml.constructor.ConstructorError(None, None, problem, node.start_mark)
    return counts[node]


def read_yaml(path: Path) -> Any:
    """Return the content of a YAML file, with or without a byte order mark.

    Raises:
        RecipeError: As ``parse_yaml``; or the file is missing, cannot be read or is not UTF-8.
    """
    return parse_yaml(read_text(path), str(path))


def parse_yaml(text: str, source: str) -> Any:
    """Parse YAML text.

    Args:
        text: The text.
        source: What the error message calls the text, such as its path.

    Raises:
        RecipeError: It is not YAML, a key appears twice, or references expand without measure; with the number of the
            line.
    """
    try:
        return yaml.load(text, _StrictLoader)
    except yaml.constructor.ConstructorError as error:
        raise RecipeError(f"{source}{_line(error)}: {error.problem}") from None
    except yaml.MarkedYAMLError as error:
        raise RecipeError(f"{source}{_line(error)} is not YAML: {error.problem or error.context}") from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:  # ValueError: a date such as 2026-13-01
        raise RecipeError(f"{source} is not YAML: {' '.join(str(error).split())[:200]}") from None


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
