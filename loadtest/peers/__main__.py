"""The command: `make peers`."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import Annotated, NoReturn

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from loadtest.bench.mixes import all_pairs
from loadtest.bench.pictures import photographs
from loadtest.bench.serving import archive_from, unpacked
from loadtest.peers.measuring import Plan, Result, Subject, measure
from loadtest.peers.report import show, write_report
from loadtest.peers.table import HERE, PEERS, Installed
from vqaops.console import refuse
from vqaops.errors import ServerError
from vqaops.paths import ROOT
from vqaops.server.server import ALLOCATOR
from vqaserve.errors import RecipeError

RECIPES = ["shapes", "rooms"]
PHOTOGRAPHS = 12

app = typer.Typer(add_completion=False)


@app.command()
def main(
    recipes: Annotated[list[str] | None, typer.Argument(help="Recipes, by name or folder; shapes and rooms.")] = None,
    peer: Annotated[list[str] | None, typer.Option(help=f"Beside ours: {', '.join(PEERS)}; all.")] = None,
    python: Annotated[
        list[Path] | None, typer.Option(help="Interpreter of an environment with peers that this one lacks.")
    ] = None,
    rounds: Annotated[int, typer.Option(min=1, help="Times that each server is started and measured.")] = 3,
    seconds: Annotated[float, typer.Option(help="Of each of its turns.")] = 3.0,
    warm: Annotated[float, typer.Option(help="Seconds of warming up before them, with each of two mixes.")] = 3.0,
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder of the report.")] = ROOT / "run" / "peers",
) -> None:
    """Measure our server beside others that do the same work, each in turn, on ports of their own.

    CPU is the whole server's, user and system time for each answer. Every answer is checked.

    Example: python -m loadtest.peers rooms --peer fastapi --peer mosec
    """
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _leave)
    # A table that is cut to a pipe's 80 columns is of no use in a log.
    console, stderr = Console() if sys.stdout.isatty() else Console(width=180), Console(stderr=True)
    plan = Plan(rounds, seconds, warm)
    results: dict[str, dict[str, Result]] = {}
    columns = (TextColumn("{task.description:<60}"), BarColumn(), TimeElapsedColumn())
    try:
        installed = _installed(peer or list(PEERS), python or [], stderr)
        with Progress(*columns, console=stderr, transient=True) as progress:
            for name in recipes or RECIPES:
                subject = _subject(name, output, progress)
                results[subject.archive.name] = measure(subject, installed, plan, output, progress)
        write_report(results, installed, plan, output)
    except (RecipeError, ServerError) as error:
        refuse("python -m loadtest.peers", error)
    show(results, console)
    for failure in (one.failure for servers in results.values() for one in servers.values() if one.failure):
        stderr.print(failure, style="yellow", markup=False)
    console.print(f"Report: {output / 'report.md'}")


def _leave(number: int, _: object) -> NoReturn:
    """As after Ctrl-C: whatever ends this command, it ends its servers first."""
    sys.exit(128 + number)


def _installed(names: list[str], pythons: list[Path], stderr: Console) -> list[Installed]:
    """Those that are; how to install the others is said.

    Raises:
        ServerError: There is no such peer.
    """
    found: list[Installed] = []
    for name in names:
        if name not in PEERS:
            raise ServerError(f"{name!r} is no peer; there are: {', '.join(PEERS)}")
        if one := PEERS[name].installed([HERE, *pythons]):
            found.append(one)
        else:
            stderr.print(PEERS[name].advice, style="yellow", markup=False, soft_wrap=True)
    return found


def _subject(name: str, output: Path, progress: Progress) -> Subject:
    """What to measure, its archive built.

    Raises:
        RecipeError: There is no such recipe, or it does not build.
    """
    folders = (ROOT / "recipes" / name, Path(name).resolve())
    recipe = next((folder for folder in folders if (folder / "model-config.yaml").is_file()), None)
    if recipe is None:
        raise RecipeError(f"{name!r} is no recipe; name one of recipes/, or a folder")
    packing = progress.add_task(f"packing {recipe.name}", total=None)
    archive = archive_from(recipe, output / "store")
    progress.remove_task(packing)
    return Subject(archive, unpacked(archive, output / "unpacked"), all_pairs(photographs(PHOTOGRAPHS)))


if __name__ == "__main__":
    if not ALLOCATOR.keys() <= os.environ.keys():
        # The floor keeps its memory as the servers do; glibc reads this at a process's start alone.
        os.execve(sys.executable, [*sys.orig_argv], {**os.environ, **ALLOCATOR})
    app()
