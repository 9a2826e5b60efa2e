"""What every command prints through: a console, and errors as one line on stderr; and a check of numbers."""

from __future__ import annotations

import math
import re
import signal
import sys
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn

import typer
from rich.console import Console
from rich.text import Text

from vqaops.errors import ServerError
from vqaserve.errors import RecipeError

_ESCAPED = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
"""Unicode categories: control and format characters, lone surrogates, line and paragraph separators."""
PIPE_WIDTH = 180
"""Columns of a table where no terminal sets the width; rich's default of 80 cuts tables short in logs."""


def new_console(stderr: bool = False) -> Console:
    """A console that breaks no lines and changes no text: no highlighting, no ``:emoji:`` codes.

    Markup is on. Text that comes from outside, such as a path, needs ``rich.markup.escape``.
    """
    terminal = (sys.stderr if stderr else sys.stdout).isatty()
    width = None if terminal else PIPE_WIDTH
    return Console(stderr=stderr, highlight=False, soft_wrap=True, emoji=False, width=width)


def exit_on_signals() -> None:
    """Exit after SIGTERM or SIGHUP as after Ctrl-C, so that what the command started is stopped first."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda number, _: sys.exit(128 + number))


def finite(value: float | None) -> float | None:
    """Refuse an option that is no number: NaN is neither below a minimum nor above a maximum.

    Raises:
        typer.BadParameter: It is NaN or infinite.
    """
    if value is not None and not math.isfinite(value):
        raise typer.BadParameter(f"{value} is not a finite number")
    return value


def refuse(command: str, error: Exception) -> NoReturn:
    """Print ``command: error`` as one line on stderr and exit with status 1."""
    # Not as markup: rich would take the ``[hf]`` of ``.[hf]`` for a tag, and drop a backslash before a bracket.
    new_console(stderr=True).print(Text.assemble((f"{command}:", "red"), " ", _one_line(_message(error))))
    raise typer.Exit(1)


@contextmanager
def one_line_errors(command: str) -> Iterator[None]:
    """Turn what a user can cause into one line on stderr and exit status 1; anything else keeps its traceback.

    Args:
        command: The command's name, which begins the line.
    """
    try:
        yield
    except (RecipeError, ServerError, OSError) as error:
        refuse(command, error)


def _message(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror and error.filename is not None:
        return f"{error.filename}: {error.strerror}"
    return str(error) or type(error).__name__


def _one_line(text: str) -> str:
    """The text with line ends as blanks and other control characters, which a path may hold, as escapes."""
    joined = re.sub(r"\s*[\r\n]+\s*", " ", text.strip())
    return "".join(repr(one)[1:-1] if unicodedata.category(one) in _ESCAPED else one for one in joined)
