"""Pages on which a model sees a redaction although there is none."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from vqaops.training.redactions.hard_pages import find_hard_pages, with_hard_pages
from vqaops.training.redactions.pages import Page
from vqaserve.families.redactions.family import Found


class DarkIsRedacted:
    """A model that is sure about dark pages."""

    def find(self, page: Image.Image) -> Found:
        return Found(0.9 if np.asarray(page).mean() < 128 else 0.01, ())


@pytest.fixture
def pages(tmp_path: Path) -> list[Page]:
    """Nine white pages and a black one."""
    found = []
    for number in range(10):
        file = tmp_path / f"{number}.npy"
        np.save(file, np.full((40, 30), 0 if number == 3 else 255, np.uint8))
        found.append(Page("a", file))
    return found


def test_pages_that_the_model_takes_for_redacted_are_hard(pages: list[Page]):
    assert find_hard_pages(DarkIsRedacted(), pages) == [pages[3]]  # type: ignore[arg-type]


def test_hard_pages_make_the_share_that_was_asked_for(pages: list[Page]):
    assert with_hard_pages(pages, [pages[3]], 0.5) == [*pages, *[pages[3]] * 10]


def test_hard_pages_are_seen_again_at_least_once(pages: list[Page]):
    assert with_hard_pages(pages, pages[:5], 0.1) == [*pages, *pages[:5]]


def test_without_hard_pages_the_pages_stay_as_they_are(pages: list[Page]):
    assert with_hard_pages(pages, [], 0.5) == pages


def test_a_share_of_none_leaves_the_pages_as_they_are(pages: list[Page]):
    assert with_hard_pages(pages, [pages[3]], 0.0) == pages
