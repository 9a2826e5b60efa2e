"""Complete recipes of the weightless family."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.pictures import encoded


@pytest.fixture(scope="session")
def red_png() -> bytes:
    return encoded("red")


RecipeMaker = Callable[..., Path]

SAMPLE = {"image": "red.png", "question": "what?", "answers": ["4x3 #ff0000: what?"]}


@pytest.fixture(scope="session")
def make_recipe(tmp_path_factory: pytest.TempPathFactory) -> RecipeMaker:
    """Makes a complete recipe of the weightless family in its own folder."""

    def make(
        name: str = "dummy", config: str = "", handler: str = "", family: str = "dummy", sample: object = SAMPLE
    ) -> Path:
        recipe = tmp_path_factory.mktemp("recipes") / name
        (recipe / "samples").mkdir(parents=True)
        (recipe / "README.md").write_text("---\nlicense: apache-2.0\n---\n# A recipe for tests\n")
        (recipe / "samples" / "red.png").write_bytes(encoded("red"))
        (recipe / "samples" / "questions.jsonl").write_text(json.dumps(sample) + "\n")
        (recipe / "model-config.yaml").write_text(
            "minWorkers: 1\nmaxWorkers: 1\nbatchSize: 8\nmaxBatchDelay: 1\n"
            f"{config}handler:\n  version: 1.0.0\n  family: {family}\n{handler}"
        )
        return recipe

    return make
