"""The model card of an archive: its README.md, in the format of the Hugging Face Hub."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Mapping
from pathlib import Path

from vqaserve.errors import RecipeError
from vqaserve.yaml_files import parse_yaml

log = logging.getLogger(__name__)

_FRONT_MATTER = re.compile(r"---[ \t]*\n(.*?\n)---[ \t]*(?:\n|\Z)", re.DOTALL)

LONGEST = 64_000
"""The most characters of a card; it is sent inside TorchServe's description of the model."""


def read_card(folder: Path) -> Mapping[str, object]:
    """Return ``{"metadata": <front matter>, "text": <Markdown>}`` of ``README.md``; without the file both are empty.

    Front matter that is not a YAML mapping stays in the text: a faulty card never stops a model from being served.
    """
    file = folder / "README.md"
    whole = file.read_text(encoding="utf-8-sig", errors="replace") if file.is_file() else ""
    if len(whole) > LONGEST:
        log.warning("the model card has %d characters; only the first %d are sent", len(whole), LONGEST)
        whole = whole[:LONGEST]
    found = _FRONT_MATTER.match(whole)
    metadata = _mapping(found[1]) if found else None
    if not found or metadata is None:
        return {"metadata": {}, "text": whole}
    return {"metadata": metadata, "text": whole[found.end() :].lstrip("\n")}


def _mapping(front: str) -> object | None:
    """Parse YAML into the types of JSON: a date becomes text."""
    try:
        found = parse_yaml(front, "the front matter")
        return json.loads(json.dumps(found, default=str, allow_nan=False)) if isinstance(found, dict) else None
    except (RecipeError, ValueError, TypeError, RecursionError) as error:
        log.warning("the model card's front matter cannot be read: %s", error)
        return None
