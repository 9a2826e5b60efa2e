"""The command behind `make peers`."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from loadtest.bench.bench_models import find_recipe
from loadtest.bench.photographs import PHOTOGRAPHS, photographs
from loadtest.bench.recipe_archives import current_archive, unpack
from loadtest.pairs import all_pairs
from loadtest.peers.comparison import ComparedModel, ComparisonPlan, ServerResult, compare_servers
from loadtest.peers.known_peers import PEERS, InstalledPeer, find_peers
from loadtest.peers.peers_report import show, write_report
from vqaops.console import exit_on_signals, finite, new_console, one_line_errors
from vqaops.paths import RUN
from vqaops.server.java_command import ALLOCATOR

RECIPES = ("shapes", "rooms")

app = typer.Typer(add_completion=False)


@app.command()
def main(
    recipes: Annotated[
        list[str] | None, typer.Argument(help="Recipes, by name or folder. Default: shapes and rooms.")
    ] = None,
    peer: Annotated[list[str] | None, typer.Option(help=f"{', '.join(PEERS)}; repeatable. Default: all.")] = None,
    python: Annotated[
        list[Path] | None,
        typer.Option(help="Interpreter of an environment with peers that this one lacks; repeatable."),
    ] = None,
    rounds: Annotated[int, typer.Option(min=1, help="How often each server is started and measured.")] = 3,
    seconds: Annotated[float, typer.Option(callback=finite, min=0.01, help="Duration of each workload.")] = 3.0,
    warm: Annotated[
        float, typer.Option(callback=finite, min=0, help="Seconds of warm-up with each of two mixes.")
    ] = 3.0,
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder of the report.")] = RUN / "peers",
) -> None:
    """Measure our server and other model servers with the same model, one after the other on free ports.

    CPU is the whole server's user and system time per answer. Every answer is checked. `--peer deploy.ray` is our own
    archive on Ray Serve.

    Example: python -m loadtest.peers rooms --peer fastapi --peer mosec
    """
    exit_on_signals()
    console, stderr = new_console(), new_console(stderr=True)
    plan = ComparisonPlan(rounds, seconds, warm)
    results: dict[str, dict[str, ServerResult]] = {}
    installed: list[InstalledPeer] = []
    columns = (TextColumn("{task.description:<60}"), BarColumn(), TimeElapsedColumn())
    with one_line_errors("python -m loadtest.peers"):
        for found in find_peers(peer or list(PEERS), python or []):
            if isinstance(found, InstalledPeer):
                installed.append(found)
            else:
                stderr.print(found.advice, style="yellow", markup=False)
        with Progress(*columns, console=stderr, transient=True) as progress:
            for name in recipes or RECIPES:
                packing = progress.add_task(escape(f"packing {name}"), total=None)
                archive = current_archive(find_recipe(name), output / "store")
                recipe = unpack(archive, output / "unpacked")
                progress.remove_task(packing)
                model = ComparedModel(archive, recipe, all_pairs(photographs(PHOTOGRAPHS)))
                results[archive.name] = compare_servers(model, installed, plan, output, progress)
        write_report(results, installed, plan, output)
    show(results, console)
    for failure in (one.failure for servers in results.values() for one in servers.values() if one.failure):
        stderr.print(failure, style="yellow", markup=False)
    console.print(f"Report: {output / 'report.md'}", markup=False)


if __name__ == "__main__":
    if not ALLOCATOR.keys() <= os.environ.keys():
        # The floor uses the servers' malloc settings, which glibc reads only when a process starts.
        os.execve(sys.executable, [*sys.orig_argv], {**os.environ, **ALLOCATOR})
    app()
