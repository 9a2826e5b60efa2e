"""How long ``scripts/train.py`` takes for a folder of folders of photographs."""

from __future__ import annotations

import resource
import subprocess
import sys
import tempfile
import time
from io import BytesIO
from pathlib import Path
from typing import Annotated

import typer
from PIL import Image, ImageColor, ImageDraw

from loadtest.bench.photographs import photographs
from loadtest.report_tables import describe_machine, markdown_table
from vqaops.console import new_console
from vqaops.paths import ROOT


def main(
    classes: Annotated[int, typer.Option(min=2, help="Number of classes.")] = 10,
    pictures: Annotated[int, typer.Option(min=3, help="Photographs of each class.")] = 500,
    width: Annotated[int, typer.Option(min=64, help="Pixels.")] = 500,
    height: Annotated[int, typer.Option(min=64, help="Pixels.")] = 375,
    base: Annotated[str, typer.Option(help="The network that is kept, as in scripts/train.py.")] = "efficientnet_lite0",
) -> None:
    """Time the training of a new recipe on photographs, which nothing has encoded before; print it as Markdown.

    The photographs are crops of the samples of `rooms`, with a disc in the colour of their class.

    Example: python -m loadtest.class_training --width 3264 --height 2448 --pictures 50
    """
    with tempfile.TemporaryDirectory(prefix="vqa-", dir="/tmp") as temporary:
        folder = Path(temporary)
        _draw(folder / "pictures", classes, pictures, (width, height))
        command = [sys.executable, "scripts/train.py", str(folder / "recipe"), "--data", str(folder / "pictures")]
        start, before = time.monotonic(), _cpu_seconds()
        subprocess.run([*command, "--base", base, "--state", str(folder / "state")], cwd=ROOT, check=True)
        seconds, cpu = time.monotonic() - start, _cpu_seconds() - before
    row = (f"{classes} classes of {pictures}, {width} x {height} pixels", f"{seconds:.0f}", f"{cpu:.0f}")
    console = new_console()
    console.print(f"{describe_machine()}\n", markup=False)
    console.print(markdown_table(("photographs", "seconds", "CPU seconds"), [row], 1), markup=False)


def _draw(folder: Path, classes: int, pictures: int, size: tuple[int, int]) -> None:
    drawn = photographs(pictures, size)
    for number in range(classes):
        own = folder / f"class-{number}"
        own.mkdir(parents=True)
        colour = ImageColor.getrgb(f"hsl({360 * number // classes}, 100%, 50%)")
        for index, photograph in enumerate(drawn):
            picture = Image.open(BytesIO(photograph))
            ImageDraw.Draw(picture).circle((size[0] // 2, size[1] // 2), min(size) // 4, fill=colour)
            picture.save(own / f"{index}.jpg", quality=88)


def _cpu_seconds() -> float:
    """User and system seconds of the processes that were waited for."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    typer.run(main)
