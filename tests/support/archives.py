"""Archives for tests that load them anyway, and for those that never load them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from vqaops.building import build as building
from vqaops.store.archive import Archive


@contextmanager
def without_trying() -> Iterator[None]:
    """Let builds store their archives without a first answer, for which each starts a process that imports torch."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(building, "_try", lambda *given: None)
        yield


def pack(recipe: Path, store: Path, replace: bool = False) -> Archive:
    """Build an archive without trying it."""
    with without_trying():
        return building.build(recipe, store, replace)


@pytest.fixture
def untried() -> Iterator[None]:
    """For tests whose builds are made by what they call."""
    with without_trying():
        yield
