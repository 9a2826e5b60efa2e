"""A machine behind SSH: the very command, its answer and its failures; a program in the place of ssh runs it here."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from tests.support.ssh import program, ssh_here
from vqaops.errors import ServerError
from vqaops.fleet.ssh import SshMachine

PYTHON = """#!/bin/sh
printf '%s\\n' "$@" > asked
cat answer
exit $(cat status)
"""


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SshMachine:
    """A machine whose project says what the files ``answer`` and ``status`` say."""
    project = tmp_path / "a project"
    program(project / ".venv" / "bin" / "python", PYTHON)
    monkeypatch.setenv("PATH", f"{ssh_here(tmp_path / 'bin')}:{os.environ['PATH']}")
    return SshMachine("vqa-2", "vqa@vqa-2.lan", project, Path("run"))


def answers(machine: SshMachine, fields: object, status: int = 0) -> None:
    (machine.project / "answer").write_text(json.dumps(fields) if fields is not None else "")
    (machine.project / "status").write_text(str(status))


def asked(machine: SshMachine) -> list[str]:
    return (machine.project / "asked").read_text().splitlines()


def test_a_failing_gate_is_a_report_and_a_refusal_is_an_error(machine: SshMachine):
    answers(machine, {"model": "shapes", "gates": []}, status=1)
    report = machine.promote("shapes", "1.1.0; rm -r /", force=True)
    assert not report.succeeded
    assert report.fields["model"] == "shapes"
    words = ["scripts/models.py", "promote", "shapes", "1.1.0; rm -r /", "--force", "--json", "--run", "run"]
    assert asked(machine) == words
    answers(machine, None, status=1)
    with pytest.raises(ServerError, match=r"the command on vqa@vqa-2\.lan ended with status 1"):
        machine.rollback("shapes", "1.0.0")


def test_an_answer_that_is_no_list_and_a_host_that_is_away_are_named(machine: SshMachine):
    answers(machine, {"versions": []})
    with pytest.raises(ServerError, match="lists its versions otherwise"):
        machine.look()
    away = SshMachine("vqa-3", "away", machine.project, machine.run)
    for ask in (away.look, lambda: away.register(Path(__file__), None, True)):
        with pytest.raises(ServerError, match=r"ssh cannot reach away: ssh: connect .* refused"):
            ask()


def test_an_archive_is_copied_with_its_list_and_the_copy_is_removed(machine: SshMachine, tmp_path: Path):
    archive, signers = tmp_path / "shapes-1.1.0.mar", tmp_path / "names"
    for file in (archive, signers, tmp_path / "SHA256SUMS", tmp_path / "SHA256SUMS.sig"):
        file.write_text(file.name)
    python = machine.project / ".venv" / "bin" / "python"
    python.write_text(PYTHON.replace("cat answer", 'ls "$(dirname "$3")" > copied; cat answer'))
    answers(machine, {"model": "shapes"})
    machine.register(archive, signers, measures=False)
    _, word, path, *options = asked(machine)
    copied = (machine.project / "copied").read_text().split()
    assert copied == sorted(["SHA256SUMS", "SHA256SUMS.sig", "allowed_signers", "shapes-1.1.0.mar"])
    assert (word, Path(path).name) == ("register", "shapes-1.1.0.mar")
    assert options == ["--signers", str(Path(path).with_name("allowed_signers")), "--no-calibration", *options[3:]]
    assert not Path(path).parent.exists()
