"""Write the sample pictures of the recipes, all free to distribute: drawn here, or in the public domain."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path

import typer
from PIL import Image, ImageDraw

from vqaops.console import one_line_errors
from vqaops.files import prepare_output
from vqaops.paths import RECIPES
from vqaserve.errors import RecipeError

# Shape, corners, colour and background; the colours are those of easy-VQA.
SHAPES = {
    "blue-circle.jpg": ("ellipse", (20, 24, 44, 48), (0, 0, 255), (236, 241, 234)),
    "red-triangle.jpg": ("polygon", (14, 46, 48, 44, 30, 14), (255, 0, 0), (240, 238, 232)),
    "green-rectangle.jpg": ("rectangle", (12, 18, 50, 38), (0, 255, 0), (232, 234, 240)),
}
SHAPES_QUESTIONS = (
    ("blue-circle.jpg", "what shape is in the image?", "circle"),
    ("blue-circle.jpg", "what color is the circle?", "blue"),
    ("red-triangle.jpg", "what is the red shape?", "triangle"),
    ("red-triangle.jpg", "is there a circle in the image?", "no"),
    ("green-rectangle.jpg", "what color is the shape?", "green"),
    ("green-rectangle.jpg", "does the image not contain a triangle?", "yes"),
)


# Photographs of the scikit-image package: `coffee` under CC0, `clock` in the public domain.
ROOMS = {"coffee.jpg": "coffee.png", "clock.jpg": "clock_motion.png"}
ROOMS_QUESTIONS = (
    ("coffee.jpg", "what color is the table?", "brown"),
    ("clock.jpg", "how many clocks are on the wall?", "1"),
)


def main() -> None:
    """Write ``samples/`` of the recipes shapes and rooms.

    Example: python scripts/write_samples.py
    """
    with one_line_errors("write_samples"):
        photographs = _photographs()
        drawn = {name: draw_shape(name) for name in SHAPES}
        opened = {name: Image.open(photographs / source).convert("RGB") for name, source in ROOMS.items()}
        inputs = [photographs / source for source in ROOMS.values()]
        write_samples(RECIPES / "shapes" / "samples", drawn, SHAPES_QUESTIONS, inputs)
        write_samples(RECIPES / "rooms" / "samples", opened, ROOMS_QUESTIONS, inputs)


def _photographs() -> Path:
    try:
        return Path(str(files("skimage"))) / "data"
    except ModuleNotFoundError:
        raise RecipeError("the photographs need the package scikit-image: pip install scikit-image") from None


def draw_shape(name: str) -> Image.Image:
    """Draw a 64 x 64 picture of one shape."""
    shape, corners, colour, background = SHAPES[name]
    picture = Image.new("RGB", (64, 64), background)
    getattr(ImageDraw.Draw(picture), shape)(corners, fill=colour)
    return picture


def write_samples(
    folder: Path, pictures: Mapping[str, Image.Image], questions: Sequence[tuple[str, str, str]], inputs: Sequence[Path]
) -> None:
    """Write pictures, and the ``questions.jsonl`` about them.

    Raises:
        RecipeError: One of the files is a link to an input, or cannot be written.
    """
    for name in (*pictures, "questions.jsonl"):
        prepare_output(folder / name, inputs)
    for name, picture in pictures.items():
        picture.save(folder / name, quality=95, subsampling=0)
    lines = (
        json.dumps({"image": image, "question": question, "answers": [answer]}) for image, question, answer in questions
    )
    (folder / "questions.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    typer.run(main)
