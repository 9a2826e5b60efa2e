"""The pages name files that exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from vqaops.paths import ROOT

PAGES = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *ROOT.glob("recipes/*/README.md")]
FOLDERS = "handler|vqaops|loadtest|scripts|tests|deploy|docs"
PATH = re.compile(rf"(?:^|[\s`(])((?:{FOLDERS})/[\w./-]*\w/?)(?=[\s`),:;.]|$)", re.M)
MODULE = re.compile(r"-m (loadtest[\w.]*\w)")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_file_that_a_page_names_exists(page: Path):
    text = page.read_text(encoding="utf-8")
    modules = [name.replace(".", "/") for name in MODULE.findall(text)]
    found = [*PATH.findall(text), *(f"{name}/__main__.py" for name in modules if (ROOT / name).is_dir())]
    missing = [name for name in found if not (ROOT / name).exists()]
    missing += [f"{name}.py" for name in modules if not (ROOT / name).exists() and not (ROOT / f"{name}.py").exists()]
    assert missing == []


def test_the_readme_has_a_hundred_and_twenty_lines_at_most():
    assert len((ROOT / "README.md").read_text(encoding="utf-8").split("\n")) <= 121


def test_the_readmes_short_snippets_end_the_programs_that_run():
    (snippets,) = re.findall(r"^```py\n(.*?)^```$", (ROOT / "README.md").read_text(encoding="utf-8"), re.M | re.S)
    page = (ROOT / "docs" / "how-to" / "openai-clients.md").read_text(encoding="utf-8")
    programs = re.findall(r"^```(?:python|py)\n(.*?)^```$", page, re.M | re.S)
    ends = [program.strip().split("\n")[-3:] for program in programs]
    assert [snippet.strip().split("\n") for snippet in snippets.split("\n\n")] == ends
