"""The command: `make bench` and `make bench-gpu`."""

from __future__ import annotations

import os
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from loadtest.bench.gpu import require_gpu
from loadtest.bench.measuring import Measured, Plan, Subject, measure
from loadtest.bench.mixes import all_pairs
from loadtest.bench.pictures import photographs
from loadtest.bench.report import show, write_report
from loadtest.bench.serving import archive_from, running, started, unpacked
from vqaops.console import refuse
from vqaops.errors import ServerError
from vqaops.paths import ROOT
from vqaops.server.server import ALLOCATOR
from vqaops.store.archive import Archive
from vqaserve.errors import RecipeError

MODELS = ["rooms", "vilt", "shapes"]
PHOTOGRAPHS = 12


app = typer.Typer(add_completion=False)


@app.command()
def main(
    models: Annotated[
        list[str] | None,
        typer.Argument(help="rooms, vilt (made on the spot), shapes; or recipe folders, or .mar files. All three."),
    ] = None,
    connections: Annotated[list[int] | None, typer.Option(help="Closed loops to measure: 1, 4, 16, 32.")] = None,
    busy: Annotated[int, typer.Option(help="Connections of the mixes chat and zipf, and of the bars.")] = 16,
    rounds: Annotated[int, typer.Option(help="Times that each way takes its turn.")] = 3,
    seconds: Annotated[float, typer.Option(help="Of a turn.")] = 2.0,
    use_running: Annotated[
        bool, typer.Option("--running", help="Ask the server of `make serve` instead of starting one.")
    ] = False,
    gpu: Annotated[bool, typer.Option("--gpu", help="Refuse without a GPU, and look how busy it is.")] = False,
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder of the report.")] = ROOT / "run" / "bench",
) -> None:
    """Measure servers beside their bare models, and hold them to the bars.

    Each model gets a server on ports of its own. CPU is the whole server's, user and system time for each answer;
    floor/CPU is 1.00 for a server that costs nothing beside its model. Every answer is checked.

    Example: python -m loadtest.bench rooms --connections 1 --connections 16 --rounds 1
    """
    # A table that is cut to a pipe's 80 columns is of no use in a log.
    console = Console() if sys.stdout.isatty() else Console(width=180)
    if gpu:
        require_gpu()
    lanes = tuple(sorted({*(connections or [1, 4, 16, 32]), 1, busy}))
    plan = Plan(rounds=rounds, seconds=seconds, connections=lanes, busy=busy, gpu=gpu)
    results: dict[str, Measured] = {}
    try:
        for model in models or MODELS:
            subject, archives = _subject(model, output, console)
            columns = (TextColumn("{task.description:<60}"), BarColumn(), TimeElapsedColumn())
            with ExitStack() as stack:
                if use_running:
                    server = running(subject.name)
                else:
                    with console.status(f"starting a server with {subject.name}"):
                        server = stack.enter_context(started(archives, output / "server"))
                progress = stack.enter_context(Progress(*columns, console=Console(stderr=True), transient=True))
                results[subject.name] = measure(subject, plan, server, progress)
        bars = write_report(results, output)
    except (RecipeError, ServerError) as error:
        refuse("make bench", error)
    show(results, bars, console)
    console.print(f"Report: {output / 'report.md'}")


def _subject(model: str, output: Path, console: Console) -> tuple[Subject, list[Archive]]:
    """What to measure, and the archives that its server needs.

    Raises:
        RecipeError: There is no such model, or it does not build.
    """
    pictures = photographs(PHOTOGRAPHS)
    pairs = all_pairs(pictures)
    store = output / "store"
    if model == "vilt":
        from loadtest.bench.vilt import make_recipes  # imports transformers, which no other model here needs

        made = make_recipes(output / "recipes", pictures, console)
        with console.status("packing the ViLT-sized model, and converting it once"):
            archives = [archive_from(recipe, store) for recipe in made.recipes]
        twins = {archive.name.removeprefix("vilt-"): archive.name for archive in archives[1:]}
        held_out = made.pairs[len(pairs) :]
        recipe = unpacked(archives[0], output / "unpacked")
        subject = Subject("vilt", recipe, pairs, twins, others=True, held_out=held_out, known=made.known)
        return subject, archives
    if model.endswith(".mar"):
        archive = Archive.read(Path(model).resolve())
        return Subject(archive.name, unpacked(archive, output / "unpacked"), pairs), [archive]
    folders = (ROOT / "recipes" / model, Path(model).resolve())
    recipe = next((folder for folder in folders if (folder / "model-config.yaml").is_file()), ROOT / "none")
    if not recipe.exists():
        raise RecipeError(f"{model!r} is no model; there are: vilt, a recipe's name or folder, a .mar file")
    with console.status(f"packing {recipe.name}"):
        archive = archive_from(recipe, store)
    return Subject(archive.name, unpacked(archive, output / "unpacked"), pairs), [archive]


if __name__ == "__main__":
    if not ALLOCATOR.keys() <= os.environ.keys():
        # The floor keeps its memory as the workers do; glibc reads this at a process's start alone.
        os.execve(sys.executable, [*sys.orig_argv], {**os.environ, **ALLOCATOR})
    app()
