"""The commands that measure several servers behind one gateway."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from loadtest.bench.recipe_archives import current_archive
from loadtest.fleet import recall, scaling
from loadtest.fleet.servers import Fleet
from loadtest.report_tables import describe_machine, terminal_table
from vqaops.console import exit_on_signals, finite, new_console, one_line_errors
from vqaops.paths import RECIPES, ROOT, RUN, resolved

app = typer.Typer(no_args_is_help=True, add_completion=False)
console, progress = new_console(), new_console(stderr=True)

Machines = Annotated[int, typer.Option("--machines", min=1, help="Servers, each with a gateway of its own.")]
Cores = Annotated[
    float,
    typer.Option(
        "--cores", callback=finite, min=0, help="CPU seconds a second of each machine; 0 does not limit them."
    ),
]


@app.callback()
def choose() -> None:
    """Measure several servers on this machine behind one gateway."""
    exit_on_signals()


@app.command("recall")
def measure_recall(
    recipe: Annotated[Path, typer.Argument(exists=True, file_okay=False, help="A recipe.")] = RECIPES / "rooms",
    machines: Machines = 3,
    cores: Cores = 0.5,
    questions: Annotated[
        list[int], typer.Option(min=1, max=8, help="Questions of a chat about one picture; repeatable.")
    ] = [8, 3],  # noqa: B006
    rounds: Annotated[int, typer.Option(min=1, help="How often everything is measured.")] = 3,
    people: Annotated[int, typer.Option(min=1, help="Chats at the same time.")] = 9,
    chats: Annotated[int, typer.Option(min=1, help="Chats of each person in a round.")] = 4,
) -> None:
    """Measure which share of pictures a fleet recalls, with each way in which the gateway can choose a machine.

    Example: python -m loadtest.fleet recall recipes/rooms --questions 8 --questions 3
    """
    with one_line_errors("recall"), _fleet(recipe, machines, cores) as (fleet, model), progress.status("") as status:
        results = recall.measure(fleet, model, questions, rounds, people, chats, status.update)
    sections = [[one.row() for one in results if one.questions == length] for length in questions]
    title = f"{model} on {machines} machines of {cores or 'all'} cores, {people} chats at a time"
    console.print(terminal_table(title, recall.COLUMNS, sections, words=2))
    console.print(describe_machine())


@app.command("capacity")
def measure_capacity(
    recipe: Annotated[Path, typer.Argument(exists=True, file_okay=False, help="A recipe.")] = RECIPES / "shapes",
    machines: Machines = 3,
    cores: Cores = 0.3,
    user: Annotated[str, typer.Option(help="A user class of loadtest/users.py.")] = "SingleQuestion",
    slo: Annotated[Path, typer.Option(help="File of the service levels.")] = ROOT / "loadtest" / "slo.yaml",
    seconds: Annotated[int, typer.Option(min=2, help="Duration of a probe.")] = 8,
    first: Annotated[int, typer.Option(min=1, help="The first rate to try.")] = 8,
    halvings: Annotated[int, typer.Option(min=0, help="The most probes after the first breach.")] = 3,
    processes: Annotated[int, typer.Option(min=1, help="Locust's worker processes.")] = 2,
) -> None:
    """Find the highest rate at which 1, 2 and more machines keep their service levels, through one gateway.

    Locust sends the requests from several processes. Example: python -m loadtest.fleet capacity recipes/shapes
    """
    with one_line_errors("capacity"), _fleet(recipe, machines, cores) as (fleet, model), progress.status("") as status:
        plan = scaling.Plan(resolved(recipe), user, resolved(slo), seconds, halvings, processes)
        rows, rate = [], first
        scaling.warm_up(fleet, plan, first)
        for count in range(1, machines + 1):
            found = scaling.measure(fleet, plan, count, rate, status.update, _print)
            rows.append(found.row())
            rate = found.rate or rate
    title = f"{model} on machines of {cores or 'all'} cores, {user}"
    console.print(terminal_table(title, scaling.COLUMNS, [rows], words=0))
    console.print(describe_machine())


def _print(line: str) -> None:
    console.print(line, markup=False, highlight=False)


@contextmanager
def _fleet(recipe: Path, machines: int, cores: float) -> Iterator[tuple[Fleet, str]]:
    archive = current_archive(resolved(recipe), RUN / "bench")
    with tempfile.TemporaryDirectory(prefix="vqa-", dir="/tmp") as folder:
        fleet = Fleet(Path(folder))
        with progress.status(f"starting {machines} machines"), fleet.serving(archive, machines, cores):
            yield fleet, archive.name


if __name__ == "__main__":
    app()
