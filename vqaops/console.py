"""How the commands refuse: one line on stderr, and a non-zero exit."""

from __future__ import annotations

from typing import NoReturn

import typer
from rich.console import Console
from rich.markup import escape


def refuse(command: str, error: Exception) -> NoReturn:
    """Print ``command: error`` and end with status 1.

    The message is escaped: rich would take the ``[hf]`` of ``.[hf]`` for markup and drop the brackets.
    """
    line = " ".join(str(error).split())
    Console(stderr=True, highlight=False, soft_wrap=True).print(f"[red]{command}:[/] {escape(line)}")
    raise typer.Exit(1)
