"""Find the workers, threads, batch size, delay and precision that are fastest for a recipe on this machine."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from loadtest.bench.recipe_archives import current_archive
from loadtest.trials import TrialRunner, sample_pairs
from vqaops.console import finite, new_console, one_line_errors
from vqaops.paths import RUN, resolved
from vqaops.tuning.plot import plot_trade_off
from vqaops.tuning.recipe_file import write_settings
from vqaops.tuning.report import describe_misfit, outcome_table
from vqaops.tuning.search import Search, TrialOutcome
from vqaops.tuning.space import Candidate, Space, layouts, parse_precisions
from vqaserve.errors import RecipeError
from vqaserve.settings import ModelConfig

PICTURES = 8


def main(
    recipe: Annotated[Path, typer.Argument(help="A recipe folder.")],
    connections: Annotated[int, typer.Option(min=1, help="Requests at the same time.")] = 8,
    limit: Annotated[
        float, typer.Option(callback=finite, min=0.001, help="Limit of the 95th percentile of the latency, in ms.")
    ] = 250,
    batch: Annotated[list[int] | None, typer.Option(min=1, help="Batch sizes to try; default 1, 2, 4, 8, 16.")] = None,
    delay: Annotated[list[int] | None, typer.Option(min=1, help="Batch delays to try, in ms; default 1, 5.")] = None,
    precision: Annotated[
        list[str] | None,
        typer.Option(help="Precisions to try; default the recipe's own, fp32, bf16. int8 rounds weights: name it."),
    ] = None,
    cores: Annotated[int | None, typer.Option(min=1, help="Cores to use; default all of this process.")] = None,
    seconds: Annotated[float, typer.Option(callback=finite, min=0.1, help="Duration of each trial's measurement.")] = 6,
    exhaustive: Annotated[bool, typer.Option("--exhaustive", help="Also try every combination, and compare.")] = False,
    write: Annotated[bool, typer.Option("--write", help="Write the chosen settings into model-config.yaml.")] = False,
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder of the plot.")] = RUN,
) -> None:
    """Find the settings with which a recipe answers the most requests below a latency limit.

    Starting from the recipe's own settings, one setting is changed at a time until no change gains 2 %. Each trial
    starts a server and asks the recipe's sample questions about new pictures of the samples' sizes. Nothing is written
    without --write.

    Example: scripts/tune.py recipes/rooms --connections 8 --limit 250
    """
    console = new_console()
    with one_line_errors("tune"):
        recipe, precisions = resolved(recipe), parse_precisions(precision or [])
        file = recipe / "model-config.yaml"
        own = Candidate.of(ModelConfig.read(file))
        pairs = sample_pairs(recipe, PICTURES)
        with console.status(escape(f"packing {recipe.name}")):
            archive = current_archive(recipe, output / "tune" / "recipe")
        space = Space(
            layouts(cores or len(os.sched_getaffinity(0))),
            tuple(sorted(batch or [1, 2, 4, 8, 16])),
            tuple(sorted(delay or [1, 5])),
            tuple(dict.fromkeys(precisions or (own.precision, "fp32", "bf16"))),
        )
        runner = TrialRunner(archive, connections, seconds, output / "tune")
        columns = (SpinnerColumn(), TextColumn("{task.description}", markup=False), TimeElapsedColumn())
        progress = Progress(*columns, console=new_console(stderr=True), transient=not console.is_terminal)
        task = progress.add_task("", total=None)

        def trial(candidate: Candidate) -> TrialOutcome:
            description = f"trial {len(search.tried) + 1} (at most {len(space)}): {candidate}"
            progress.update(task, description=description)
            return runner.run(candidate, pairs)

        search = Search(trial, limit)
        with progress:
            chosen = search.best_from(space.nearest(own), space)
            trials = len(search.tried)
            best = search.best_of_all(space) if exhaustive else chosen
        title = f"{recipe.name}: {connections} connections, p95 <= {limit:g} ms"
        console.print(outcome_table(search, chosen, title))
        plot_trade_off(search, chosen, limit, output / "tune.png")
        console.print(f"Plot: {output / 'tune.png'}", markup=False)
        if exhaustive:
            share = search.tried[chosen].rate / (search.tried[best].rate or 1)
            console.print(f"{trials} trials found {share:.1%} of the best of all {len(search.tried)}: {best}")
        if not search.fits(chosen):
            raise RecipeError(describe_misfit(search.tried[chosen], connections, limit))
        console.print(f"Chosen: {chosen}")
        if write:
            write_settings(file, chosen)
            console.print(f"Written: {file}", markup=False)
        elif chosen != own:
            console.print("To write these settings into the recipe, repeat the command with --write")


if __name__ == "__main__":
    typer.run(main)
