"""Measure a classifier that train.py trained: how often it is right, and what it calls unlike all its classes."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import torch
import typer

from vqaops.console import new_console, one_line_errors
from vqaops.training.classes.figures import Figures, classify, measure
from vqaops.training.classes.pictures import read_files, read_split
from vqaops.training.classes.settings import ClassTrainSettings
from vqaops.training.classes.training import load_trained
from vqaserve.errors import RecipeError

app = typer.Typer(add_completion=False)

SKIMAGE = "skimage"


@app.command(
    epilog="Example: python scripts/class_figures.py recipes/food --data pictures --unlike skimage",
    no_args_is_help=True,
)
def main(
    recipe: Annotated[Path, typer.Argument(help="Recipe folder.")],
    data: Annotated[Path, typer.Option(help="The folder of pictures that it was trained on, with the same files.")],
    unlike: Annotated[
        str | None,
        typer.Option(help="Folder of pictures that belong to no class, or skimage for scikit-image's photographs."),
    ] = None,
    threads: Annotated[int, typer.Option(min=1, help="Threads that torch uses.")] = 2,
) -> None:
    """Classify the pictures that the training held out for this, and pictures that belong to no class."""
    console = new_console()
    torch.set_num_threads(threads)
    with one_line_errors("class_figures"):
        family = load_trained(recipe)
        split = read_split(data, ClassTrainSettings.read(recipe / "train.yaml"))
        if tuple(family.labels) != split.labels:
            raise RecipeError(f"{recipe} knows {', '.join(family.labels)}, and {data} has other classes")
        if unlike is not None and not family.abstains:
            raise RecipeError(f"{recipe} marks no picture as unlike its classes; leave out --unlike")
        for line in _lines(measure(family, split.test)):
            console.print(line, markup=False)
        if unlike is not None:
            answers = classify(family, _unlike(unlike))
            marked = sum(answer.abstained for answer in answers)
            console.print(f"{marked} of {len(answers)} other pictures are marked as unlike all classes", markup=False)


def _lines(figures: Figures) -> list[str]:
    low, high = figures.interval
    lines = ["| class | pictures | precision | recall | F1 |", "| --- | --- | --- | --- | --- |"]
    for row, label in enumerate(figures.labels):
        cells = (f"{value:.1%}" for value in figures.of_class(row))
        lines.append(f"| {label} | {figures.confusion[row].sum()} | {' | '.join(cells)} |")
    marked = f"{figures.abstained} of {figures.pictures} are marked as unlike all classes"
    return [
        *lines,
        f"{figures.right} of {figures.pictures} held-out pictures are right: {figures.accuracy:.1%} "
        f"(95 % interval: {low:.1%} to {high:.1%})",
        *([] if figures.abstained is None else [marked]),
    ]


def _unlike(place: str) -> list[Path]:
    """The picture files of a folder, or those that scikit-image's package holds.

    Raises:
        RecipeError: There are none, or the package is not installed.
    """
    folder = Path(place)
    if place != SKIMAGE or folder.is_dir():
        files = read_files(folder)
        if not files:
            raise RecipeError(f"--unlike {place} holds no pictures")
        return files
    found = find_spec("skimage")
    if found is None or found.origin is None:
        raise RecipeError("--unlike skimage needs a package: pip install scikit-image")
    data = read_files(Path(found.origin).parent / "data")
    return [file for file in data if file.suffix in (".png", ".jpg")]  # not its TIFFs of 64-bit numbers


if __name__ == "__main__":
    app()
