"""CPU time of a recipe in each runtime and precision on this machine, and how many of fp32's answers it keeps."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import track
from rich.table import Table

from vqaops.console import new_console, one_line_errors
from vqaops.questions import Question, read_questions
from vqaserve.errors import RecipeError
from vqaserve.families import find_family
from vqaserve.images import open_picture
from vqaserve.pictures import Opened
from vqaserve.settings import HandlerSettings, ModelConfig
from vqaserve.types import Query

VARIANTS = [(runtime, precision) for runtime in ("torch", "openvino") for precision in ("fp32", "bf16", "int8")]


@dataclass(frozen=True, slots=True)
class PrecisionResult:
    """The answers in one runtime and precision.

    Attributes:
        answers: The best answer to each question.
        cpu_ms: CPU milliseconds per question, each about a picture of its own, without decoding the file.
    """

    answers: list[str]
    cpu_ms: float


def main(
    recipe: Annotated[Path, typer.Argument(exists=True, file_okay=False, help="A recipe folder.")],
    questions: Annotated[
        Path | None, typer.Argument(exists=True, help="A questions file. Default: the recipe's samples.")
    ] = None,
    images: Annotated[Path | None, typer.Option(help="Folder of the pictures. Default: the questions' folder.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="The most questions to ask.")] = 100,
) -> None:
    """Ask the same questions in every runtime and precision of the recipe's family, and compare with torch's fp32.

    Example: python -m loadtest.precision_cost recipes/rooms eval.jsonl --images images --limit 200
    """
    with one_line_errors("precision_cost"):
        settings = ModelConfig.read(recipe / "model-config.yaml").handler
        file = questions or recipe / "samples" / "questions.jsonl"
        opened = [
            _open(one, settings) for one in read_questions(file, images or file.parent, need_answers=False)[:limit]
        ]
        new_console().print(_compare(recipe, settings, opened))


def _compare(recipe: Path, settings: HandlerSettings, opened: Sequence[tuple[Opened, Query]]) -> Table:
    """Return a row for each runtime and precision.

    Raises:
        RecipeError: The recipe does not load in torch's fp32.
    """
    table = Table(title=f"{recipe.name}: {len(opened)} questions, {settings.threads} thread(s)")
    for column in ("precision", "CPU ms", "same answer as fp32", "different answers"):
        table.add_column(column, justify="left" if column == "precision" else "right")
    stderr, exact = new_console(stderr=True), None
    for runtime, precision in track(VARIANTS, "asking", console=stderr):
        try:
            result = _measure(_with_precision(settings, runtime, precision), recipe, opened)
        except RecipeError as error:
            if exact is None:
                raise
            stderr.print(f"{runtime} {precision}: {error}", markup=False)
            continue
        exact = exact or result
        same = sum(map(str.__eq__, result.answers, exact.answers)) / len(opened)
        different = len(set(result.answers))
        table.add_row(f"{runtime} {precision}", f"{result.cpu_ms:.1f}", f"{same:.1%}", str(different))
    return table


def _open(question: Question, settings: HandlerSettings) -> tuple[Opened, Query]:
    return open_picture(question.read_image(), settings.limits.pictures), Query(b"", question.text, top_k=1)


def _with_precision(settings: HandlerSettings, runtime: str, precision: str) -> HandlerSettings:
    """Return the settings in another runtime and precision.

    The probe that compares a precision with fp32 at load is switched off: this command compares more answers.
    """
    options = {key: value for key, value in settings.options.items() if key != "runtime"}
    if runtime != "torch":
        options["runtime"] = runtime
    return settings.model_copy(update={"precision": precision, "options": options, "agreement": 1e-9, "device": "cpu"})


def _measure(settings: HandlerSettings, recipe: Path, opened: Sequence[tuple[Opened, Query]]) -> PrecisionResult:
    family = find_family(settings.family).load(recipe, settings)
    answers: list[str] = []
    began = 0.0
    for picture, query in (opened[0], *opened):  # the first question is asked once more, as a warm-up
        if len(answers) == 1:
            began = time.process_time()
        features = family.encode([picture.pixels])
        answers.append(family.decode(family.forward(features, [query]), [query])[0][0].answer)
    return PrecisionResult(answers[1:], 1000 * (time.process_time() - began) / len(opened))


if __name__ == "__main__":
    typer.run(main)
