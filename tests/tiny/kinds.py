"""Fixtures for tiny models, in a folder of their own or in one that tests share."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from tests.tiny import make_weights
from vqaserve.families import find_family
from vqaserve.families.base import Family
from vqaserve.settings import HandlerSettings


@dataclass(frozen=True)
class Tiny:
    """A tiny model in its folder."""

    kind: str
    folder: Path
    settings: HandlerSettings

    def load(self, **changes: Any) -> Family[Any, Any]:
        settings = self.settings.model_copy(update=changes)
        return find_family(settings.family).load(self.folder, settings)


@pytest.fixture(scope="session")
def shared_tiny(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Tiny]:
    """Return a model in a folder that tests share and must not change."""

    def make(kind: str) -> Tiny:
        folder = tmp_path_factory.mktemp(kind)
        settings = make_weights(kind, folder / "weights")
        return Tiny(kind, folder, HandlerSettings.model_validate({**settings, "device": "cpu"}))

    return cache(make)


@pytest.fixture(scope="session")
def make_tiny(shared_tiny: Callable[[str], Tiny], tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Tiny]:
    """Copy a model into a folder of its own, which the test may change."""

    def make(kind: str) -> Tiny:
        folder = tmp_path_factory.mktemp(kind)
        shutil.copytree(shared_tiny(kind).folder, folder, dirs_exist_ok=True)
        return replace(shared_tiny(kind), folder=folder)

    return make
