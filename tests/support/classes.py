"""Tiny pictures in a folder for each class, and a training on them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import yaml
from PIL import Image, ImageDraw
from typer.testing import CliRunner, Result

from scripts.train import app

CLASSES = {"blue dots": "blue", "green dots": "green", "red dots": "red"}
SETTINGS = {"family": "torchvision_classifier", "resize": 72, "crop": 64, "views": 2, "epochs": 15}


def draw(colour: str, number: int) -> Image.Image:
    """A dot on a grey ground; no two numbers give the same picture."""
    picture = Image.new("RGB", (80, 64), (150 + number, 150, 160))
    left = 10 + 2 * number % 20
    ImageDraw.Draw(picture).ellipse((left, 10, left + 34, 50), fill=colour)
    return picture


def make_classes(folder: Path, classes: Mapping[str, str] = CLASSES, each: int = 10) -> Path:
    """A folder of pictures for each class, whose dots have a colour of their own."""
    for label, colour in classes.items():
        (folder / label).mkdir(parents=True)
        for number in range(each):
            draw(colour, number).save(folder / label / f"{number}.png")
    return folder


def make_recipe(folder: Path, **changes: object) -> Path:
    """A recipe folder with a ``train.yaml`` alone."""
    folder.mkdir(parents=True)
    (folder / "train.yaml").write_text(yaml.safe_dump(SETTINGS | changes))
    return folder


def invoke(recipe: Path, data: Path, *arguments: str) -> Result:
    """The command's result; its state is beside the recipe."""
    state = str(recipe.parent / "state")
    return CliRunner().invoke(app, [str(recipe), "--data", str(data), "--state", state, "--threads", "1", *arguments])
