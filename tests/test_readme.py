"""Runs the README's ``sh`` and ``python`` blocks in their order, on the default ports, as a reader would."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from sybil import Document
from sybil.parsers.markdown import CodeBlockParser

from loadtest.slo import read_limits
from vqaops.errors import ServerError
from vqaops.paths import ROOT
from vqaops.server.server import Server

INTERPRETERS = {"sh": ["bash", "-euo", "pipefail", "-c"], "python": [sys.executable, "-c"]}
SECONDS = 300


def blocks() -> list[tuple[str, str]]:
    """Language and text of every block that can be run."""
    document = Document((ROOT / "README.md").read_text(encoding="utf-8"), "README.md")
    found = [(block, language) for language in INTERPRETERS for block in CodeBlockParser(language)(document)]
    return [(language, block.parsed) for block, language in sorted(found, key=lambda pair: pair[0].start)]


@pytest.fixture
def default_ports() -> Iterator[None]:
    server = Server()
    try:
        server.check_ports()
    except ServerError as error:
        pytest.skip(f"{error} (a running server? make stop, then run this test again)")
    yield
    server.stop()
    server.client.http.close()


@pytest.fixture
def unhurried(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """`make load` judges answers, not times: this machine may be busy with anything."""
    limits = tmp_path / "slo.yaml"
    limits.write_text(
        "".join(f"{kind}: {{failure_ratio: 0}}\n" for kind in read_limits(ROOT / "loadtest" / "slo.yaml"))
    )
    monkeypatch.setenv("LOAD", f"--slo {limits}")


@pytest.mark.usefixtures("default_ports", "unhurried")
def test_the_readmes_commands_work_in_their_order():
    for language, code in blocks():
        command = [*INTERPRETERS[language], code]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=SECONDS)
        assert done.returncode == 0, f"{code}\n{done.stdout}\n{done.stderr}"
        if code.startswith("curl"):
            assert '"answer":' in done.stdout, f"{code}\n{done.stdout}"


def test_the_readme_shows_how_to_start_and_to_stop():
    shown = "".join(code for _, code in blocks())
    assert "make serve" in shown
    assert "make stop" in shown
