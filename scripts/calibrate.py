"""Choose the score below which a recipe's answers are marked as unsure."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from vqaops.confidence.calibration import Calibration, calibrate, judge_unanswerable, read_unanswerable
from vqaops.confidence.files import CURVE, write_calibration
from vqaops.confidence.halves import Half, try_halves
from vqaops.confidence.judged import Judged, judge
from vqaops.console import new_console, one_line_errors
from vqaops.paths import resolved
from vqaops.plots import require_matplotlib
from vqaops.questions import pictures_beside, read_questions
from vqaserve.errors import RecipeError


def main(
    recipe: Annotated[Path, typer.Argument(help="A recipe folder.")],
    file: Annotated[Path, typer.Argument(help='Held-out questions: {"image", "question", "answers"} on each line.')],
    accuracy: Annotated[float, typer.Option(min=0.01, max=0.99, help="Wished share of right answers.")] = 0.6,
    confidence: Annotated[
        float, typer.Option(min=0.5, max=0.999, help="Probability with which the wish must hold.")
    ] = 0.95,
    images: Annotated[
        Path | None, typer.Option(help="Folder of the pictures; by default images/ beside the file, or its folder.")
    ] = None,
    check: Annotated[
        int, typer.Option(min=0, help="Try the promise on so many random halves of the pictures; write nothing.")
    ] = 0,
    unanswerable: Annotated[
        Path | None, typer.Option(help="Folder of questions that the model cannot know, a .jsonl file for each kind.")
    ] = None,
    write: Annotated[bool, typer.Option("--write", help="Write recipe and card.")] = False,
) -> None:
    """Find the score from which on a recipe's answers are right as often as wished, and its temperature.

    With --write, the recipe gets the threshold (`handler: abstain_below`) and the temperature, and its card a section
    with the figures and the curve. Nothing else is written.

    Example: scripts/calibrate.py recipes/mine held-out.jsonl --accuracy 0.6 --write
    """
    console = new_console()
    with one_line_errors("calibrate"):
        recipe = resolved(recipe)
        if write:
            require_matplotlib()
        kinds = read_unanswerable(unanswerable) if unanswerable else {}
        judged = judge(recipe, read_questions(file, images or pictures_beside(file)))
        if check:
            if len(np.unique(judged.pictures)) < 2:
                raise RecipeError(f"{file} asks about one picture; --check needs at least two")
            _show_check(console, try_halves(judged, accuracy, confidence, check), accuracy)
            return
        found = calibrate(judged, accuracy, confidence)
        if kinds:
            found = replace(
                found,
                unanswerable=judge_unanswerable(recipe, kinds, found.judged.temperature, found.promise.threshold),
            )
        console.print(_table(recipe.name, found, judged))
        if write:
            write_calibration(recipe, found, file.name)
            console.print(f"Written: model-config.yaml, README.md and {CURVE} of {recipe}", markup=False)
        else:
            console.print("To write this into the recipe and its card, repeat the command with --write")


def _table(name: str, found: Calibration, before: Judged) -> Table:
    promise = found.promise
    table = Table(title=escape(f"{name}: {promise.questions:,} questions"), title_justify="left", show_header=False)
    table.add_column()
    table.add_column(justify="right")
    table.add_row("threshold (abstain_below)", f"{promise.threshold:.2f}")
    table.add_row("answers at or above it", f"{promise.coverage:.1%} ({promise.kept:,})")
    table.add_row("right among them", f"{promise.share_right:.1%}")
    table.add_row(f"promised with {promise.confidence:.0%} confidence", f"{promise.accuracy:.1%}")
    table.add_row("right among all", f"{found.judged.right.mean():.1%}")
    if before.temperature is not None:
        table.add_row("temperature, before and now", f"{before.temperature:.2f}, {found.judged.temperature:.2f}")
    errors = f"{before.calibration_error:.1%}, {found.judged.calibration_error:.1%}"
    table.add_row("expected calibration error, before and now", errors)
    for one in found.unanswerable:
        table.add_row(escape(f"below it of {one.questions} questions: {one.kind}"), f"{one.unsure / one.questions:.0%}")
    return table


def _show_check(console: Console, halves: list[Half], accuracy: float) -> None:
    promised = [half for half in halves if half.threshold is not None]
    kept = [half for half in promised if half.accuracy >= accuracy]
    table = Table(title="a threshold from one half of the pictures, on the other half", title_justify="left")
    for column in ("half", "threshold", "answers at or above it", "right among them"):
        table.add_column(column, justify="right")
    for number, half in enumerate(halves):
        figures = ("none", "", "") if half.threshold is None else _figures(half)
        table.add_row(str(number), *figures)
    console.print(table)
    console.print(
        f"{accuracy:.0%} kept on {len(kept)} of {len(promised)} halves; no threshold on {len(halves) - len(promised)}"
    )


def _figures(half: Half) -> tuple[str, str, str]:
    return f"{half.threshold:.2f}", f"{half.coverage:.1%}", f"{half.accuracy:.1%}"


if __name__ == "__main__":
    typer.run(main)
