"""Tiny pictures in a folder for each class, and settings to train on them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw

from tests.support.training import make_recipe

CLASSES = {"blue dots": "blue", "green dots": "green", "red dots": "red"}
SETTINGS: dict[str, Any] = {"family": "torchvision_classifier", "resize": 72, "crop": 64, "views": 2, "epochs": 15}


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


def make_class_recipe(folder: Path, **changes: Any) -> Path:
    """A recipe folder with a classifier's ``train.yaml`` alone."""
    return make_recipe(folder, SETTINGS, **changes)
