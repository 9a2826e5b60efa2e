"""A hub on loopback that takes uploads, and a recipe to publish there."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.pictures import encoded
from tests.support.writable_hubs import WritableHub
from tests.tiny import make_weights
from tests.tiny.recipe import complete_recipe

QUESTION = "is the wall red?"


@pytest.fixture
def writable_hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[WritableHub]:
    """An empty hub that takes large files by Git LFS; the Hub's other protocol for them, Xet, has no server here."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_DISABLE_XET", True)
    with WritableHub().running() as hub:
        yield hub


def tiny_recipe(folder: Path, kind: str = "modular") -> Path:
    """Write a complete recipe around a tiny model, and return its folder."""
    settings = {**make_weights(kind, folder / "weights"), "device": "cpu"}
    return complete_recipe(folder, settings, encoded("red"), QUESTION)
