"""The command that measures models that write."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import torch
import typer
from rich.table import Table

from loadtest.chat.in_process import measure
from loadtest.chat.served import measure_served
from loadtest.chat.smolvlm import make_recipe
from loadtest.chat.talk import Plain, Served
from vqaops.console import new_console, one_line_errors
from vqaops.paths import RUN

app = typer.Typer(add_completion=False)


@app.command()
def main(
    rounds: Annotated[int, typer.Option(help="How often everything is measured.")] = 3,
    part: Annotated[
        Literal["all", "model", "server"], typer.Option(help="The bars of the model, of the server, or all.")
    ] = "all",
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder of the model.")] = RUN / "bench",
) -> None:
    """Measure conversations with a model of SmolVLM-256M's size, beside transformers' generate in the same process.

    The exit code is 1 if a bar does not hold.

    Example: python -m loadtest.chat --rounds 3
    """
    console = new_console()
    torch.set_num_threads(1)
    with one_line_errors("python -m loadtest.chat"):
        with console.status("making the model"):
            recipe = make_recipe(output / "recipes", threads=1)
            served = Served.load(recipe, prefixes_mb=1024)
        generator = served.family.generator
        plain = Plain(generator.model, generator.processor)
        with console.status("measuring; some minutes"):
            bars = [] if part == "server" else measure(served, plain, rounds)
            served.forget()
            bars += [] if part == "model" else [measure_served(recipe, plain, output, rounds)]
    table = Table("what", "figure", "bar", "holds")
    for bar in bars:
        table.add_row(bar.name, f"{bar.figure:.2f}", bar.limit, "yes" if bar.holds else "NO")
    console.print(table)
    for bar in bars:
        if bar.detail:
            console.print(bar.detail, soft_wrap=True)
    raise typer.Exit(0 if all(bar.holds for bar in bars) else 1)


if __name__ == "__main__":
    app()
