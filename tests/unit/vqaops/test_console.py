from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable

import pytest
import typer
from rich.table import Table
from typer.testing import CliRunner

from scripts import health, models, serve, tune
from vqaops.console import PIPE_WIDTH, new_console, one_line_errors
from vqaops.errors import ServerError
from vqaserve.errors import RecipeError


def refusal(error: Exception, capsys: pytest.CaptureFixture[str]) -> str:
    with pytest.raises(typer.Exit) as exit_, one_line_errors("command"):
        raise error
    assert exit_.value.exit_code == 1
    (line,) = capsys.readouterr().err.split("\n")[:-1]
    return line


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (RecipeError("no [hf] here"), "command: no [hf] here"),
        (RecipeError(r"the path a\[b] and [/] and \[[0-9]"), r"command: the path a\[b] and [/] and \[[0-9]"),
        (ServerError("two\n   lines"), "command: two lines"),
        (ServerError("a  b :smile: \x1b[31m"), "command: a  b :smile: \\x1b[31m"),
        (PermissionError(13, "Permission denied", "/srv/a, b"), "command: /srv/a, b: Permission denied"),
        (IsADirectoryError(21, "Is a directory", "/srv"), "command: /srv: Is a directory"),
        (OSError("no space"), "command: no space"),
        (TimeoutError(), "command: TimeoutError"),
    ],
)
def test_what_a_user_can_cause_is_one_line_with_its_text_unchanged(error: Exception, line: str, capsys):
    assert refusal(error, capsys) == line


def test_a_long_message_is_not_broken(capsys):
    assert refusal(ServerError("x" * 500), capsys) == f"command: {'x' * 500}"


def test_a_bug_keeps_its_traceback():
    with pytest.raises(ZeroDivisionError), one_line_errors("command"):
        raise ZeroDivisionError


def test_a_table_in_a_pipe_is_not_cut_to_80_columns(capsys):
    table = Table("a" * 70, "b" * 70)
    new_console().print(table)
    assert "a" * 70 in capsys.readouterr().out
    assert PIPE_WIDTH > 150


def test_the_torch_that_commands_import_gives_no_warning():

    done = subprocess.run([sys.executable, "-c", "import vqaops, torch"], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("value", ["nan", "inf", "-inf", "NaN", "1e999"])
@pytest.mark.parametrize(
    ("app", "words"),
    [
        (health.main, ["--timeout"]),
        (serve.app, ["foreground", "--drain"]),
        (models.app, ["autoscale", "--interval"]),
        (models.app, ["remove", "m", "1.0.0", "--patience"]),
        (tune.main, ["recipe", "--limit"]),
    ],
    ids=["timeout", "drain", "interval", "patience", "limit"],
)
def test_a_number_that_is_not_finite_is_refused(app: Callable[..., None] | typer.Typer, words: list[str], value: str):
    command = app if isinstance(app, typer.Typer) else typer.Typer()
    if command is not app:
        command.command()(app)
    done = CliRunner().invoke(command, [*words, value])
    assert done.exit_code == 2
    assert "Invalid value for" in done.stderr
