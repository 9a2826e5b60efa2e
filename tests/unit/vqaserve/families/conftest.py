"""Fixtures: each kind of model, saved and loaded once for all tests of the families."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.tiny import KINDS
from tests.tiny.kinds import Tiny
from vqaserve.families.base import Family


@pytest.fixture(scope="session", params=KINDS)
def tiny(request: pytest.FixtureRequest, shared_tiny: Callable[[str], Tiny]) -> Tiny:
    """Each kind of model in turn; tests must not change it."""
    return shared_tiny(request.param)


@pytest.fixture(scope="session")
def family(tiny: Tiny) -> Family[Any, Any]:
    """Each kind of model in turn, loaded."""
    return tiny.load()
