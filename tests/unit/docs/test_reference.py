"""The reference pages name all that the code has."""

from __future__ import annotations

import re
from typing import Annotated, Literal

import pytest
from pydantic import BaseModel, Field

from docs.hooks import reference
from vqaops.monitoring import exporter
from vqaops.paths import ROOT
from vqaserve.metrics import METRICS


class Inner(BaseModel):
    """A section.

    Attributes:
        hosts: Where ``pictures`` come from,
            and nothing else.
    """

    hosts: tuple[str, ...] = ()


class Outer(BaseModel):
    """A file.

    Attributes:
        kind: One of two.
        text: Several lines.
    """

    kind: Literal["a", "b"] = "a"
    text: str = "two\nlines"
    count: Annotated[int, Field(gt=0, le=9)]
    inner: Inner = Inner()


def test_a_setting_is_shown_with_its_values_its_default_and_its_meaning():
    table = reference.settings(Outer)
    assert "| `kind` | `a`, `b` | `a` | One of two. |" in table
    assert "| `count` | integer over `0`, at most `9` | required |  |" in table
    assert r"| `text` | string | `two\nlines` | Several lines. |" in table


def test_a_section_of_settings_has_a_table_of_its_own():
    table = reference.settings(Outer)
    assert "### `inner`" in table
    assert "| `hosts` | list of strings | `[]` | Where `pictures` come from, and nothing else. |" in table


@pytest.mark.parametrize("name", ["recipe settings", "family options", "gateway settings"])
def test_every_setting_says_what_it_means(name: str):
    rows = re.findall(r"^\| (`\w+`) \|.*\| (.*) \|$", reference.GENERATED[name](), re.M)
    assert len(rows) > 5
    assert [key for key, meaning in rows if not meaning] == []


def test_every_command_is_listed_with_its_options():
    text = reference.commands()
    commands = [path.name for path in (ROOT / "scripts").glob("*.py") if "import typer" in path.read_text()]
    assert len(commands) > 10
    assert [name for name in commands if f"`scripts/{name}" not in text] == []
    assert "## `scripts/models.py promote`" in text
    assert str(ROOT) not in text


def test_every_target_of_the_makefile_is_listed():
    assert "| `make serve` |" in reference.make_targets()


def test_every_metric_is_on_the_page():
    page = (ROOT / "docs" / "reference" / "metrics.md").read_text(encoding="utf-8")
    exported = re.findall(r'"(vqa_\w+)"', (ROOT / exporter.__file__).read_text(encoding="utf-8"))
    assert exported
    assert [name for name in [*(metric.name for metric in METRICS), *exported] if f"`{name}" not in page] == []


def test_every_mark_of_a_page_is_known():
    marks = [mark for page in (ROOT / "docs").rglob("*.md") for mark in reference.MARK.findall(page.read_text())]
    assert sorted(marks) == sorted(reference.GENERATED)
