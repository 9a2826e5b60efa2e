"""Train a recipe of the modular family and write its weights."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Annotated

import torch
import typer
from rich.logging import RichHandler

from vqaops.console import new_console, one_line_errors
from vqaops.importing.recipes import Origin, complete_recipe
from vqaops.training.datasets import read_split
from vqaops.training.settings import TrainSettings
from vqaops.training.training import train

log = logging.getLogger(__name__)
app = typer.Typer(add_completion=False)

_STORY = """\
Trained with `scripts/train.py` on the settings in `train.yaml`. Fill in: the data and its terms, the license of
these weights, what the model is for, how often it is right, and its limits.

`samples/` holds a drawn picture, so that the archive can be tried; put pictures and questions of your own there.
"""
_ORIGIN = Origin("modular", "visual-question-answering", "pytorch", _STORY)


@app.command(epilog="Example: python scripts/train.py recipes/rooms --data path/to/daquar", no_args_is_help=True)
def main(
    recipe: Annotated[
        Path, typer.Argument(help="Recipe folder with a train.yaml; weights/ and missing files are written.")
    ],
    data: Annotated[str, typer.Option(help="Folder with train.jsonl and images/, or easy-vqa for that package.")],
    state: Annotated[Path, typer.Option(help="Folder of the state that an interrupted run resumes from.")] = Path(
        "work/train"
    ),
    text_only: Annotated[bool, typer.Option(help="Train the same model without the picture, for comparison.")] = False,
    threads: Annotated[int, typer.Option(min=1, help="Threads that torch uses.")] = 2,
) -> None:
    """Train a recipe; an interrupted run resumes where it stopped."""
    handler = RichHandler(console=new_console(), show_path=False, markup=False)
    logging.basicConfig(level=logging.INFO, format="%(message)s", handlers=[handler])
    torch.set_num_threads(threads)
    with one_line_errors("train"):
        settings = TrainSettings.read(recipe / "train.yaml")
        questions = read_split(data, "train")
        name = recipe.resolve().name
        if text_only:
            name = f"{name}-text-only"
            train(settings.without_picture(), questions, state / name, output=state / name)
        else:
            train(settings, questions, state / name, output=recipe)
            for written in complete_recipe(recipe, _ORIGIN):
                log.info("wrote %s, yours to change", recipe / written)


if __name__ == "__main__":
    app()
