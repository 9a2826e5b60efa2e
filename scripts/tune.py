"""Find workers, threads, batch size, delay and precision for this machine and a recipe."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from loadtest.bench.recipe_archives import current_archive
from loadtest.trials import TrialRunner, sample_pairs
from vqaops.console import refuse
from vqaops.paths import ROOT
from vqaops.tuning.plot import plot_trade_off
from vqaops.tuning.recipe_file import with_settings
from vqaops.tuning.search import Outcome, Search
from vqaops.tuning.space import Candidate, Space, layouts
from vqaserve.errors import RecipeError
from vqaserve.settings import ModelConfig

PICTURES = 8


def main(
    recipe: Annotated[Path, typer.Argument(exists=True, file_okay=False, help="A recipe folder.")],
    connections: Annotated[int, typer.Option(help="Requests under way at a time.")] = 8,
    limit: Annotated[float, typer.Option(help="What the 95th percentile of the latency must stay below, in ms.")] = 250,
    batch: Annotated[list[int] | None, typer.Option(help="Batch sizes to try: 1, 2, 4, 8, 16.")] = None,
    delay: Annotated[list[int] | None, typer.Option(min=1, help="Batch delays to try, in ms: 1, 5.")] = None,
    precision: Annotated[
        list[str] | None,
        typer.Option(help="Arithmetic to try: the recipe's own, fp32, bf16. int8 only if named: it rounds weights."),
    ] = None,
    cores: Annotated[int | None, typer.Option(help="Cores to share out; all that this process may use.")] = None,
    seconds: Annotated[float, typer.Option(help="Of asking, for each trial.")] = 6,
    exhaustive: Annotated[bool, typer.Option("--exhaustive", help="Then try all of them, and compare.")] = False,
    write: Annotated[bool, typer.Option("--write", help="Write the choice into model-config.yaml.")] = False,
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder of the plot.")] = ROOT / "run",
) -> None:
    """Serve a recipe with one choice of settings after the other, and find the one that answers most below a limit.

    One setting is changed at a time, from the recipe's own, until none gains 2 %; each trial is a server of its own,
    asked about pictures like the recipe's samples, all new. Nothing is written without --write.

    Example: scripts/tune.py recipes/rooms --connections 8 --limit 250
    """
    # A table that is cut to a pipe's 80 columns is of no use in a log.
    console = Console() if sys.stdout.isatty() else Console(width=140, soft_wrap=True)
    recipe = recipe.resolve()
    file = recipe / "model-config.yaml"
    try:
        own = Candidate.of(ModelConfig.read(file))
        pairs = sample_pairs(recipe, PICTURES)
        with console.status(f"packing {recipe.name}"):
            archive = current_archive(recipe, output / "tune" / "recipe")
    except RecipeError as error:
        refuse("tune", error)
    space = Space(
        layouts(cores or len(os.sched_getaffinity(0))),
        tuple(sorted(batch or [1, 2, 4, 8, 16])),
        tuple(sorted(delay or [1, 5])),
        tuple(dict.fromkeys(precision or [own.precision, "fp32", "bf16"])),
    )
    runner = TrialRunner(recipe, archive, connections, seconds, output / "tune")
    with _progress(console) as progress:
        task = progress.add_task("", total=None)

        def trial(candidate: Candidate) -> Outcome:
            done = len(search.tried)
            progress.update(task, description=f"trial {done + 1} (of {len(space)} there are): {candidate}")
            return runner.run(candidate, pairs)

        search = Search(trial, limit)
        chosen = search.best_from(space.nearest(own), space)
        found = len(search.tried)
        best = search.best_of_all(space) if exhaustive else chosen
    console.print(_table(search, chosen, f"{recipe.name}: {connections} connections, p95 <= {limit:g} ms"))
    plot_trade_off(search, chosen, limit, output / "tune.png")
    console.print(f"Plot: {output / 'tune.png'}")
    if exhaustive:
        share = search.tried[chosen].rate / search.tried[best].rate
        console.print(f"{found} trials found {share:.1%} of the best of all {len(search.tried)}: {best}")
    if not search.fits(chosen):
        refuse("tune", RecipeError(_nothing_fits(search.tried[chosen], connections, limit)))
    console.print(f"Chosen: {chosen}")
    if write:
        file.write_text(with_settings(file.read_text(encoding="utf-8"), chosen), encoding="utf-8")
        console.print(f"Written: {file}")
    elif chosen != own:
        console.print("Write it into the recipe: the same command with --write")


def _nothing_fits(closest: Outcome, connections: int, limit: float) -> str:
    reached = closest.failure or f"the closest has a p95 of {closest.p95_ms:.0f} ms"
    return (
        f"nothing stays below {limit:g} ms at {connections} connections ({reached}); nothing was written. "
        "Allow more (--limit) or ask less (--connections)"
    )


def _progress(console: Console) -> Progress:
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    return Progress(*columns, console=Console(stderr=True), transient=not console.is_terminal)


def _table(search: Search, chosen: Candidate, title: str) -> Table:
    table = Table(title=title, title_justify="left")
    for column in (
        "",
        "workers x threads",
        "batch",
        "delay ms",
        "precision",
        "answers/s",
        "p95 ms",
        "CPU ms",
        "MB",
        "",
    ):
        table.add_column(column, justify="right")
    for one in sorted(search.tried, key=search.merit, reverse=True):
        outcome = search.tried[one]
        what = ["*" * (one == chosen), f"{one.workers} x {one.threads}", f"{one.batch}", f"{one.delay}", one.precision]
        figures = [f"{outcome.rate:.1f}", f"{outcome.p95_ms:.0f}", f"{outcome.cpu_ms:.1f}", f"{outcome.memory_mb:.0f}"]
        reason = outcome.failure or "" if search.fits(one) or outcome.failure else "over the limit"
        table.add_row(*what, *figures, reason)
    return table


if __name__ == "__main__":
    typer.run(main)
