"""The chat page as its own process, in the page's own environment, in front of a real server."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from vqaops.paths import ROOT


@contextmanager
def chat_page(run: Path, *options: str, port: int | None = None) -> Iterator[str]:
    """As `loadtest.chat_page.own_page`; skips the test where the page's environment is missing."""
    from loadtest.chat_page import PYTHON, own_page  # imports a browser's driver, which few tests need

    if not PYTHON.exists():
        pytest.skip(f"{PYTHON.relative_to(ROOT)} is missing; make test creates it")
    with own_page(run, *options, port=port) as url:
        yield url
