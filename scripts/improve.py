"""Make a new version of a model from what people said of its answers, and promote it if it passes its gates."""

from __future__ import annotations

import json
import logging
from contextlib import closing
from pathlib import Path
from typing import Annotated

import torch
import typer
from rich.logging import RichHandler
from rich.markup import escape

from vqaops.console import finite, new_console, one_line_errors
from vqaops.finetuning.choices import Choices
from vqaops.improving.improvement import Outcome, Sources, improve
from vqaops.paths import RUN, resolved
from vqaops.rollout.operations import gate_line
from vqaops.rollout.rollout import Rollout
from vqaops.server.server import Server


def main(
    model: Annotated[str, typer.Argument(help="A model of the running server.")],
    database: Annotated[Path, typer.Option(help="The chat page's feedback.")] = RUN / "feedback.sqlite3",
    replay: Annotated[
        Path | None,
        typer.Option(
            help="Data that the model was trained on: a folder with train.jsonl; else its own answers are kept."
        ),
    ] = None,
    golden: Annotated[
        Path | None, typer.Option(help="Questions that must not be forgotten; by default the recipe's samples.")
    ] = None,
    lora_rank: Annotated[
        int | None, typer.Option(min=1, help="Rank of a new LoRA adapter, of models that write; 16 by default.")
    ] = None,
    learning_rate: Annotated[
        float | None,
        typer.Option(callback=finite, min=1e-9, help="Highest learning rate of the adapter; 0.0002 by default."),
    ] = None,
    epochs: Annotated[
        int | None, typer.Option(min=1, help="Rounds of the adapter; by default 3, but at least 100 steps.")
    ] = None,
    work: Annotated[Path, typer.Option(help="Folder of the attempts; an interrupted one goes on.")] = Path(
        "work/improve"
    ),
    threads: Annotated[int, typer.Option(min=1, help="Threads that torch uses.")] = 2,
    run: Annotated[Path, typer.Option(help="Run folder of the server.")] = RUN,
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON object on stdout, for machines.")] = False,
) -> None:
    """Export the feedback, fine-tune the default version on it, and build, register and promote the result.

    The new version must be better on feedback that it did not learn from, no worse on the golden set, and pass the
    gates of `models.py promote`. Otherwise the default version stays, and the command says why and ends with status 1.

    Example: scripts/improve.py rooms --replay path/to/daquar
    """
    progress = new_console(stderr=True)
    logging.basicConfig(
        level=logging.INFO,
        format="%(message)s",
        handlers=[RichHandler(console=progress, show_path=False, markup=False)],
    )
    torch.set_num_threads(threads)
    server = Server(resolved(run))
    with one_line_errors("improve"), closing(server.client.http):
        rollout = Rollout(server, lambda text: None)
        choices = Choices(lora_rank, learning_rate, epochs)
        sources = Sources(resolved(database), replay, golden, resolved(work), choices)
        outcome = improve(rollout, model, sources, lambda text: progress.print(escape(text)))
    if as_json:
        typer.echo(json.dumps(outcome.as_dict()))
    else:
        _show(outcome)
    if not outcome.promoted:
        raise typer.Exit(1)


def _show(outcome: Outcome) -> None:
    console, attempt = new_console(), outcome.attempt
    console.print(*map(gate_line, outcome.gates), sep="\n")
    if outcome.promoted:
        back = f"scripts/models.py rollback {attempt.model}"
        last = f"[green]{attempt.model} {attempt.version} is the default.[/] Back: {back}"
    else:
        reasons = ", ".join(gate.gate for gate in outcome.failed)
        last = f"[red]{attempt.model} {attempt.version} is refused ({reasons});[/] {attempt.base} goes on answering"
    console.print(last)


if __name__ == "__main__":
    typer.run(main)
