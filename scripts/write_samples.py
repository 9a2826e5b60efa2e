"""Write the sample pictures of the recipes, all free to distribute: drawn here, or in the public domain."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path

import typer
from PIL import Image, ImageDraw, ImageFont

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

# Bars over the lines of a letter, and a letter without; A4 at 150 dpi.
PAGES = {"letter-redacted.png": ((8, 0.0, 1.0), (9, 0.0, 0.6), (15, 0.3, 0.5), (22, 0.1, 0.9)), "letter.png": ()}
PAGES_QUESTIONS = (("letter-redacted.png", "", "redacted"), ("letter.png", "", "not redacted"))

_WORDS = "the committee met on the second day of the month and heard from those who were present about"


def main() -> None:
    """Write ``samples/`` of the recipes shapes, rooms and redactions.

    Example: python scripts/write_samples.py
    """
    with one_line_errors("write_samples"):
        photographs = _photographs()
        drawn = {name: draw_shape(name) for name in SHAPES}
        opened = {name: Image.open(photographs / source).convert("RGB") for name, source in ROOMS.items()}
        inputs = [photographs / source for source in ROOMS.values()]
        pages = {name: draw_page(bars) for name, bars in PAGES.items()}
        write_samples(RECIPES / "redactions" / "samples", pages, PAGES_QUESTIONS, ())
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


def draw_page(bars: Sequence[tuple[int, float, float]]) -> Image.Image:
    """Draw a letter with a dark heading, and bars over lines: (line, from, to) as shares of its width."""
    page = Image.new("L", (1240, 1754), 255)
    pen, letters = ImageDraw.Draw(page), ImageFont.load_default(24)
    pen.rectangle((160, 120, 1080, 172), fill=0)
    pen.text((180, 130), "Office of Public Records, Department of Examples", 255, ImageFont.load_default(30))
    words = _WORDS.split()
    left, width, pitch = 160, 920, 44
    for line in range(30):
        text = " ".join(words[(7 * line + step) % len(words)] for step in range(16))
        while letters.getlength(text) > width:
            text = text.rpartition(" ")[0]
        pen.text((left, 230 + pitch * line), text, 0, letters)
    for line, start, end in bars:
        top = 230 + pitch * line - 2
        pen.rectangle((left + start * width, top, left + end * width, top + 34), fill=0)
    return page.convert("1")


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
        json.dumps({"image": image, **({"question": question} if question else {}), "answers": [answer]})
        for image, question, answer in questions
    )
    (folder / "questions.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    typer.run(main)
