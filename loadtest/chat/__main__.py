"""The command that measures models that write."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import torch
import typer
from rich.table import Table

from loadtest.chat.bars import Bar
from loadtest.chat.in_process import IN_PROCESS
from loadtest.chat.memory import measure_memory
from loadtest.chat.served import measure_served
from loadtest.chat.smolvlm import SMALL, make_recipe
from loadtest.chat.stream_delay import measure_stream
from loadtest.chat.talk import Plain, Served
from vqaops.console import new_console, one_line_errors
from vqaops.paths import RUN

PARTS = (*IN_PROCESS, "server", "stream", "memory")

app = typer.Typer(add_completion=False)


@app.command()
def main(
    parts: Annotated[list[str] | None, typer.Argument(help=f"Some of: {', '.join(PARTS)}. Default: all.")] = None,
    rounds: Annotated[int, typer.Option(help="How often everything is measured.")] = 3,
    conversations: Annotated[int, typer.Option(help="Conversations of the part memory.")] = 1000,
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder of the models and the server.")] = RUN
    / "bench",
) -> None:
    """Measure conversations with a model of SmolVLM-256M's size, beside transformers' generate in the same process.

    The exit code is 1 if a bar does not hold.

    Example: python -m loadtest.chat first-tokens --rounds 3
    """
    console = new_console()
    if unknown := sorted(set(parts or ()) - set(PARTS)):
        raise typer.BadParameter(f"there is no part {unknown[0]!r}; there are: {', '.join(PARTS)}")
    torch.set_num_threads(1)
    table = Table("what", "figure", "bar", "holds")
    details = []
    holds = True
    with one_line_errors("python -m loadtest.chat"):
        for bar in _measure(parts or PARTS, rounds, conversations, output):
            console.print(f"{bar.name}: {bar.figure:.2f}", highlight=False)
            table.add_row(bar.name, f"{bar.figure:.2f}", bar.limit, "yes" if bar.holds else "NO")
            details += [bar.detail] if bar.detail else []
            holds &= bar.holds
    console.print(table)
    for detail in details:
        console.print(detail, soft_wrap=True)
    raise typer.Exit(0 if holds else 1)


def _measure(parts: list[str] | tuple[str, ...], rounds: int, conversations: int, output: Path) -> Iterator[Bar]:
    if "memory" in parts:
        yield measure_memory(make_recipe(output / "recipes", threads=1, size=SMALL), conversations)
    recipe = make_recipe(output / "recipes", threads=1)
    if "stream" in parts:
        yield measure_stream(recipe, output, rounds)
    if not set(parts) - {"memory", "stream"}:
        return
    served = Served.load(recipe, prefixes_mb=1024)
    plain = Plain(served.family.generator.model, served.family.generator.processor)
    for part, measure in IN_PROCESS.items():
        if part in parts:
            served.forget()
            yield from measure(served, plain, rounds)
    if "server" in parts:
        served.forget()
        yield measure_served(recipe, plain, output, rounds)


if __name__ == "__main__":
    app()
