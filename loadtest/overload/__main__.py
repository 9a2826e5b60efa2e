"""The command behind `make overload`."""

from __future__ import annotations

import json
import tempfile
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from loadtest.overload.connections import CONNECTIONS, idle, p95_among
from loadtest.overload.flood import flood
from loadtest.overload.targets import running_target, slow_target
from vqaops.console import finite, new_console, one_line_errors
from vqaops.files import prepare_output
from vqaops.paths import RUN

QUESTIONS = 50


def main(
    recipe: Annotated[
        Path | None, typer.Argument(exists=True, file_okay=False, help="A recipe that the running server has loaded.")
    ] = None,
    times: Annotated[
        float,
        typer.Option(callback=finite, min=0.01, help="Requests per second, as a multiple of the measured capacity."),
    ] = 10,
    seconds: Annotated[float, typer.Option(callback=finite, min=1, help="Duration of the flood.")] = 60,
    output: Annotated[Path, typer.Option(help="JSON file for the figures.")] = RUN / "overload.json",
) -> None:
    """Send a server more than it can answer, and print who was answered, who was refused, and how soon it recovered.

    Without a recipe this starts a dedicated server, whose model takes 40 ms per question and no CPU time: generator
    and server share this machine, and the test is about the server's limits, not the machine's. Then a normal client
    asks among slow, idle and half-closed connections.

    Exits with 1 if answers came later than queue and batches take, if there were replies other than an answer or 503,
    or if the recovery took more than 5 s.

    Examples: python -m loadtest.overload; python -m loadtest.overload recipes/shapes --seconds 20
    """
    console = new_console()
    with one_line_errors("overload"), ExitStack() as stack:
        prepare_output(output)
        if recipe:
            target = running_target(recipe)
        else:
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="vqa-", dir="/tmp"))
            target = stack.enter_context(slow_target(Path(folder)))
        with console.status(f"{times:g} times the capacity for {seconds:g} s"):
            result = flood(target, times, seconds)
        console.print(str(result), markup=False)
        among = {"no others": p95_among(target, idle, 0, QUESTIONS)}
        for name, (kind, count) in CONNECTIONS.items():
            with console.status(f"among {count} {name}"):
                among[f"{count} {name}"] = p95_among(target, kind, count, QUESTIONS)
        for name, p95 in among.items():
            console.print(f"p95 of a normal client among {name}: {1000 * p95:.0f} ms")
        output.write_text(json.dumps({**asdict(result), "kept": result.kept, "p95_among": among}, indent=2) + "\n")
    raise typer.Exit(0 if result.kept else 1)


if __name__ == "__main__":
    typer.run(main)
