"""What clients see when something breaks: faults are played one after the other (plays.py), and shown as a table."""

from __future__ import annotations

import json
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from loadtest.faults.clients import Summary
from loadtest.faults.scenarios import FAULTS, Row, Skipped
from vqaops.errors import ServerError
from vqaops.paths import ROOT


def main(
    faults: Annotated[list[str] | None, typer.Argument(help=f"Of: {', '.join(FAULTS)}. All by default.")] = None,
    output: Annotated[Path, typer.Option(help="Where the figures go, as JSON.")] = ROOT / "run" / "chaos.json",
) -> None:
    """Break servers of its own (never the running one) and print what clients saw: some four minutes for all.

    Ends with 1 if an answer was wrong, or if a client that asks again saw a failure that another moment cures.

    Example: python -m loadtest.faults worker-killed java-killed
    """
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = 180
    if unknown := set(faults or ()) - set(FAULTS):
        raise typer.BadParameter(f"no such fault: {', '.join(sorted(unknown))}; there are: {', '.join(FAULTS)}")
    rows, broken = [], False
    for name in faults or FAULTS:
        with console.status(f"playing {name}"), tempfile.TemporaryDirectory(prefix="vqa-", dir="/tmp") as folder:
            try:
                rows.append(FAULTS[name](Path(folder)))
            except Skipped as reason:
                console.print(f"{name}: skipped, {reason}")
            except ServerError as error:
                console.print(f"{name}: {error}", style="red", markup=False)
                broken = True
    _show(console, rows)
    output.parent.mkdir(parents=True, exist_ok=True)
    output.write_text(json.dumps([{**asdict(row), "kept": row.kept} for row in rows], indent=2) + "\n")
    raise typer.Exit(0 if all(row.kept for row in rows) and not broken else 1)


def _show(console: Console, rows: list[Row]) -> None:
    table = Table(title="failed / asked, slowest, recovered after", title_justify="left")
    for column in ("fault", "plain client", "client that asks again", "wrong", "the operator is told"):
        table.add_column(column, overflow="fold")
    for row in rows:
        wrong = len(row.plain.wrong) + len(row.retrying.wrong)
        style = None if row.kept else "red"
        table.add_row(row.fault, _worded(row.plain), _worded(row.retrying), str(wrong), row.told[:200], style=style)
    console.print(table)


def _worded(seen: Summary) -> str:
    kinds = " ".join(f"{count} x {kind}" for kind, count in seen.failures.items())
    shown = f"{seen.failed} / {seen.asked}, {seen.slowest:.1f} s, {seen.recovered:.1f} s"
    return f"{shown} ({kinds})" if kinds else shown


if __name__ == "__main__":
    typer.run(main)
