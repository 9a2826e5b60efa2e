"""scripts/redactions.py against a real server with a tiny random model."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pypdfium2
import pytest
import typer
from rich.console import Console
from typer.testing import CliRunner, Result

from loadtest.fuzz.fuzzer import fuzz
from loadtest.fuzz.hostile_documents import hostile_documents
from scripts.redactions import main
from tests.support.documents import BAR, OTHER, TEXT, pdf
from vqaops.server.server import Server


@pytest.fixture
def find(tasks_server: Server) -> Callable[..., Result]:
    app = typer.Typer()
    app.command()(main)
    asked = ["--model", "documents", "--run", str(tasks_server.run)]
    return lambda *words: CliRunner().invoke(app, [*asked, *map(str, words)])


def test_a_document_longer_than_a_request_is_read_whole(find: Callable[..., Result], tmp_path: Path):
    (tmp_path / "long.pdf").write_bytes(pdf([f"{TEXT} {BAR}", OTHER] * 10))
    done = find(tmp_path / "long.pdf", "--json", "-o", tmp_path / "found.pdf")
    assert done.exit_code == 0, done.output
    reply = json.loads(done.stdout)
    assert [page["page"] for page in reply["pages"]] == list(range(1, 21))
    assert reply["summary"]["document_pages"] == reply["summary"]["pages_read"] == 20
    redacted = reply["summary"]["redacted_pages"]
    written = len(pypdfium2.PdfDocument(tmp_path / "found.pdf")) if redacted else 0
    assert written == len(redacted)


def test_a_damaged_document_is_refused_in_one_line(find: Callable[..., Result], tmp_path: Path):
    (tmp_path / "cut.pdf").write_bytes(pdf([OTHER])[:200])
    done = find(tmp_path / "cut.pdf")
    assert done.exit_code == 1
    assert "the PDF is damaged and cannot be opened" in done.stderr
    assert "Traceback" not in done.output


def test_a_damaged_page_costs_no_other_page(find: Callable[..., Result], tmp_path: Path):
    whole = pdf([OTHER] * 12)
    (tmp_path / "one-bad.pdf").write_bytes(whole.replace(b" 8 0 R 10 0 R", b" 3 0 R 10 0 R", 1))  # the third is a font
    done = find(tmp_path / "one-bad.pdf", "--json")
    assert done.exit_code == 0, done.output
    reply = json.loads(done.stdout)
    (bad,) = (page for page in reply["pages"] if "code" in page)
    assert (bad["page"], bad["code"], bad["type"]) == (3, 422, "InvalidImage")
    assert reply["summary"]["pages_read"] == 11


def test_hostile_documents_are_answered_or_refused_by_workers_that_live_on(tasks_server: Server):
    before = tasks_server.client.workers("documents")
    result = fuzz(tasks_server.client, "documents", 16, 1, Console(quiet=True), settle=0, first=list(_quick_attacks()))
    assert result.wrong == []
    assert not result.restarted
    assert tasks_server.client.workers("documents") == before
    assert {"200", "422 InvalidImage"} <= set(result.replies)


def _quick_attacks() -> Iterator[bytes]:
    """Those that end by themselves; tests/unit/vqaserve/documents has all, with a shorter limit than a recipe's."""
    wanted = ("script", "embedded", "itself", "billion", "password", "kilometres", "not exist", "zeros")
    for name, document in hostile_documents():
        if any(word in name for word in wanted) and not name.startswith("pattern"):
            yield document


def test_a_model_that_reads_no_documents_is_named(find: Callable[..., Result], tmp_path: Path):
    (tmp_path / "one.pdf").write_bytes(pdf([OTHER]))
    done = find(tmp_path / "one.pdf", "--model", "dummy")
    assert done.exit_code == 1
    assert "this model reads pictures and no documents" in done.stderr
