"""The model card of an archive: its README.md, as the Hugging Face Hub writes them."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from pathlib import Path

import yaml

log = logging.getLogger(__name__)

LONGEST = 64_000
"""Characters of a card that are told: it travels inside TorchServe's description of the model."""


def read_card(folder: Path) -> Mapping[str, object]:
    """``{"metadata": <front matter>, "text": <Markdown>}`` of ``README.md``; both empty where there is none.

    Front matter that is not a YAML mapping is left in the text: a card never keeps a model from being served.
    """
    file = folder / "README.md"
    whole = file.read_text(encoding="utf-8", errors="replace") if file.is_file() else ""
    if len(whole) > LONGEST:
        log.warning("the model card has %d characters; the first %d are told", len(whole), LONGEST)
        whole = whole[:LONGEST]
    start, _, rest = whole.partition("---\n")
    front, end, text = rest.partition("\n---\n")
    metadata = _mapping(front) if end and not start else None
    return {"metadata": {}, "text": whole} if metadata is None else {"metadata": metadata, "text": text.lstrip("\n")}


def _mapping(front: str) -> object | None:
    """What YAML says, in the types of JSON: a date becomes text."""
    try:
        found = yaml.safe_load(front)
        return json.loads(json.dumps(found, default=str, allow_nan=False)) if isinstance(found, dict) else None
    except (yaml.YAMLError, ValueError, TypeError, RecursionError) as error:
        log.warning("the model card's front matter cannot be read: %s", error)
        return None
