"""The record of a process finds that process and no other."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from typer.testing import CliRunner

from scripts.serve import app
from vqaops.server.process_record import ProcessRecord
from vqaops.server.run_folder import RunFolder


@pytest.fixture
def record(tmp_path: Path) -> ProcessRecord:
    return ProcessRecord(tmp_path / "pid.json")


@pytest.fixture
def sleeper() -> Iterator[psutil.Process]:
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"]) as process:
        yield psutil.Process(process.pid)
        process.kill()


@pytest.mark.parametrize(
    "content", ["", "{", "[]", "null", '{"pid": "x"}', '{"pid": 1}', '{"pid": 999999999, "created": 1}']
)
def test_a_record_that_names_no_process_is_no_running_program(record: ProcessRecord, content: str):
    record.file.write_text(content)
    assert record.process() is None


def test_the_recorded_process_is_found_and_a_recycled_pid_is_not(record: ProcessRecord):
    process = psutil.Process()
    record.write(process)
    assert record.process() == process
    record.file.write_text(f'{{"pid": {process.pid}, "created": 1.0}}')
    assert record.process() is None
    assert record.exists()


def test_make_stop_ends_the_chat_page_of_the_run_folder(tmp_path: Path, sleeper: psutil.Process):
    RunFolder(tmp_path).page.write(sleeper)
    stopped = CliRunner().invoke(app, ["stop", "--run", str(tmp_path)])
    assert stopped.exit_code == 0, stopped.output
    assert "stopped the chat page" in stopped.output
    assert not sleeper.is_running() or sleeper.status() == psutil.STATUS_ZOMBIE
    assert not RunFolder(tmp_path).page.exists()


def test_make_stop_leaves_a_process_that_has_the_pid_of_an_ended_page(tmp_path: Path, sleeper: psutil.Process):
    (tmp_path / "page.json").write_text(f'{{"pid": {sleeper.pid}, "created": 1.0}}')
    stopped = CliRunner().invoke(app, ["stop", "--run", str(tmp_path)])
    assert "chat page" not in stopped.output
    assert sleeper.is_running()
