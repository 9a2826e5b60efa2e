"""The other files of a recipe, around weights from ``make_weights``."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

ASKED: dict[str, dict[str, object]] = {
    "document_redaction_detection": {},
    "image_classification": {},
    "zero_shot_image_classification": {"labels": ["a cat", "a dog", "something blue"]},
}
"""What a sample asks in place of a question, by task."""


def complete_recipe(recipe: Path, settings: Mapping[str, Any], picture: bytes, question: str) -> Path:
    """Write card, sample and ``model-config.yaml`` beside the weights, and return the folder.

    Args:
        recipe: The folder that holds the weights folder.
        settings: The ``handler:`` section from ``make_weights``.
        picture: The sample's picture, a PNG file.
        question: The sample's question, if the task has one; any answer to it is right.
    """
    samples = recipe / "samples"
    samples.mkdir(parents=True)  # a family may need no weights, and so no folder yet
    (samples / "picture.png").write_bytes(picture)
    asked = ASKED.get(str(settings.get("task")), {"question": question})
    sample = {"image": "picture.png", **asked, "answers": []}
    (samples / "questions.jsonl").write_text(json.dumps(sample) + "\n")
    (recipe / "README.md").write_text("---\nlicense: apache-2.0\n---\n# A recipe for tests\n")
    server = {"minWorkers": 1, "maxWorkers": 1, "batchSize": 8, "maxBatchDelay": 1}
    (recipe / "model-config.yaml").write_text(yaml.safe_dump({**server, "handler": dict(settings)}))
    return recipe
