"""Train a recipe and write its weights."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Annotated

import torch
import typer
from rich.logging import RichHandler

from vqaops.console import finite, new_console, one_line_errors
from vqaops.finetuning.choices import NO_CHOICES, Choices
from vqaops.finetuning.tuning import tune_copy
from vqaops.training.datasets import read_split
from vqaops.training.runs import run_training
from vqaserve.errors import RecipeError

app = typer.Typer(add_completion=False)


@app.command(epilog="Example: python scripts/train.py recipes/rooms --data path/to/daquar", no_args_is_help=True)
def main(
    recipe: Annotated[
        Path,
        typer.Argument(
            help="Recipe folder with a train.yaml; weights/ and missing files are written. For pictures by class, "
            "train.yaml too."
        ),
    ],
    data: Annotated[
        str,
        typer.Option(
            help="Folder with train.jsonl and images/, easy-vqa for that package, a folder of documents, or a folder "
            "of pictures for each class."
        ),
    ],
    base: Annotated[
        str | None,
        typer.Option(
            help="A classifier's network, which is kept as it is: efficientnet_lite0 (the default), "
            "efficientnet_lite0_details for surfaces and small faults, the folder of a converted recipe, or one that "
            "save_pretrained wrote. Written to train.yaml."
        ),
    ] = None,
    state: Annotated[Path, typer.Option(help="Folder of the state that an interrupted run resumes from.")] = Path(
        "work/train"
    ),
    tune: Annotated[
        Path | None,
        typer.Option(help="Let the recipe's own weights learn from the data, and write them as this new recipe."),
    ] = None,
    replay: Annotated[
        str | None,
        typer.Option(help="With --tune: data that the recipe was trained on; without it, its own answers are kept."),
    ] = None,
    lora_rank: Annotated[
        int | None,
        typer.Option(min=1, help="With --tune: rank of a new LoRA adapter, of models that write; 16 by default."),
    ] = None,
    learning_rate: Annotated[
        float | None,
        typer.Option(
            callback=finite, min=1e-9, help="With --tune: highest learning rate of the adapter; 0.0002 by default."
        ),
    ] = None,
    epochs: Annotated[
        int | None,
        typer.Option(min=1, help="With --tune: rounds of the adapter; by default 3, but at least 100 steps."),
    ] = None,
    text_only: Annotated[bool, typer.Option(help="Train the same model without the picture, for comparison.")] = False,
    threads: Annotated[int, typer.Option(min=1, help="Threads that torch uses.")] = 2,
) -> None:
    """Train a recipe; an interrupted run resumes where it stopped."""
    handler = RichHandler(console=new_console(), show_path=False, markup=False)
    logging.basicConfig(level=logging.INFO, format="%(message)s", handlers=[handler])
    torch.set_num_threads(threads)
    choices = Choices(lora_rank, learning_rate, epochs)
    with one_line_errors("train"):
        if tune:
            old = read_split(replay, "train") if replay else []
            folder = state / f"{tune.resolve().name}-tuned"
            tune_copy(recipe, read_split(data, "train"), old, folder, tune, choices)
        elif choices != NO_CHOICES:
            raise RecipeError(
                "--lora-rank, --learning-rate and --epochs are for --tune; set those of a training in train.yaml"
            )
        else:
            run_training(recipe, data, state, text_only, base)


if __name__ == "__main__":
    app()
