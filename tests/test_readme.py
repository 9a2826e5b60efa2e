"""Runs the ``sh`` and ``python`` blocks of README and docs on the default ports, as a reader would.

Only this file may use the default ports, because another file runs beside it.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from sybil import Document
from sybil.parsers.markdown import CodeBlockParser

from loadtest.slo import read_levels
from vqaops.errors import ServerError
from vqaops.paths import ROOT
from vqaops.server.server import Server

INTERPRETERS = {"sh": ["bash", "-euo", "pipefail", "-c"], "python": [sys.executable, "-c"]}
SECONDS = 300


def blocks(page: Path) -> list[tuple[str, str]]:
    """Language and text of every block of a page that can be run, in their order."""
    document = Document(page.read_text(encoding="utf-8"), str(page))
    found = [(block, language) for language in INTERPRETERS for block in CodeBlockParser(language)(document)]
    return [(language, block.parsed) for block, language in sorted(found, key=lambda pair: pair[0].start)]


README = blocks(ROOT / "README.md")
PAGES = {str(page.relative_to(ROOT)): blocks(page) for page in sorted((ROOT / "docs").rglob("*.md"))}


def run(language: str, code: str) -> None:
    command = [*INTERPRETERS[language], code]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=SECONDS)
    assert done.returncode == 0, f"{code}\n{done.stdout}\n{done.stderr}"
    if code.startswith("curl"):
        assert '"answer":' in done.stdout, f"{code}\n{done.stdout}"


@pytest.fixture(scope="module")
def started() -> Iterator[None]:
    """The server that the README's first block starts; what it starts is stopped in any case."""
    server = Server()
    try:
        server.check_ports()
    except ServerError as error:
        pytest.skip(f"{error} (a running server? make stop, then run this test again)")
    run(*README[0])
    yield
    server.stop()
    server.client.http.close()


@pytest.fixture
def unhurried(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """`make load` judges answers, not times: this machine may be busy with anything."""
    limits = tmp_path / "slo.yaml"
    limits.write_text(
        "".join(f"{kind}: {{failure_ratio: 0}}\n" for kind in read_levels(ROOT / "loadtest" / "slo.yaml"))
    )
    monkeypatch.setenv("LOAD", f"--slo {limits}")


@pytest.mark.usefixtures("started", "unhurried")
@pytest.mark.parametrize("page", [page for page, runnable in PAGES.items() if runnable])
def test_the_commands_of_a_page_work_in_their_order(page: str):
    for block in PAGES[page]:
        run(*block)


@pytest.mark.usefixtures("started")
def test_the_readmes_other_commands_work_in_their_order():
    for block in README[1:]:
        run(*block)


def test_the_readme_begins_with_the_start_of_a_server_and_ends_with_its_stop():
    assert README[0] == ("sh", "make serve\n")
    assert README[-1] == ("sh", "make stop\n")
