"""What each arithmetic costs a recipe on this machine, and how many of fp32's answers it keeps; without a server."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import track
from rich.table import Table

from vqaops.console import refuse
from vqaops.questions import Question, read_questions
from vqaserve.errors import RecipeError
from vqaserve.families import find_family
from vqaserve.images import open_picture
from vqaserve.settings import HandlerSettings, ModelConfig
from vqaserve.types import Opened, Query

WAYS = [(runtime, precision) for runtime in ("torch", "openvino") for precision in ("fp32", "bf16", "int8")]


@dataclass(frozen=True, slots=True)
class Answered:
    """One way's answers to all questions.

    Attributes:
        answers: The best of each.
        cpu_ms: Of one question about a picture of its own, without opening the file.
    """

    answers: list[str]
    cpu_ms: float


def main(
    recipe: Annotated[Path, typer.Argument(exists=True, file_okay=False, help="A recipe folder.")],
    questions: Annotated[
        Path | None, typer.Argument(exists=True, help='{"image", "question"} a line; by default the recipe\'s samples.')
    ] = None,
    images: Annotated[Path | None, typer.Option(help="Folder of their pictures; by default the file's own.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="Questions asked at most.")] = 100,
) -> None:
    """Ask the same questions in every arithmetic that the recipe's family has, and compare with torch's fp32.

    Example: python -m loadtest.precision_cost recipes/rooms eval.jsonl --images images --limit 200
    """
    settings = ModelConfig.read(recipe / "model-config.yaml").handler
    file = questions or recipe / "samples" / "questions.jsonl"
    asked = [_opened(one, settings) for one in read_questions(file, images or file.parent)[:limit]]
    table = Table(title=f"{recipe.name}: {len(asked)} questions, {settings.threads} thread(s)")
    for column in ("arithmetic", "CPU ms", "same answer as fp32", "different answers"):
        table.add_column(column, justify="left" if column == "arithmetic" else "right")
    exact: Answered | None = None
    for runtime, precision in track(WAYS, "asking", console=Console(stderr=True)):
        try:
            answered = _answer(_in(settings, runtime, precision), recipe, asked)
        except RecipeError as error:
            if exact is None:
                refuse("arithmetic", error)
            Console(stderr=True).print(f"{runtime} {precision}: {error}")
            continue
        exact = exact or answered
        same = sum(map(str.__eq__, answered.answers, exact.answers)) / len(asked)
        table.add_row(
            f"{runtime} {precision}", f"{answered.cpu_ms:.1f}", f"{same:.1%}", str(len(set(answered.answers)))
        )
    # A table that is cut to a pipe's 80 columns is of no use in a log.
    (Console() if sys.stdout.isatty() else Console(width=160)).print(table)


def _opened(question: Question, settings: HandlerSettings) -> tuple[Opened, Query]:
    return open_picture(question.read_image(), settings.limits), Query(b"", question.text, top_k=1)


def _in(settings: HandlerSettings, runtime: str, precision: str) -> HandlerSettings:
    """The settings in another arithmetic, whatever the probe would say; this asks more than the probe does."""
    options = {key: value for key, value in settings.options.items() if key != "runtime"}
    if runtime != "torch":
        options["runtime"] = runtime
    return settings.model_copy(update={"precision": precision, "options": options, "agreement": 1e-9, "device": "cpu"})


def _answer(settings: HandlerSettings, recipe: Path, asked: Sequence[tuple[Opened, Query]]) -> Answered:
    family = find_family(settings.family).load(recipe, settings)
    answers, began = [], 0.0
    for picture, query in (asked[0], *asked):  # the first once more, to warm up
        if len(answers) == 1:
            began = time.process_time()
        features = family.encode([picture.pixels])
        answers.append(family.decode(family.forward(features, [query]), [query])[0][0].answer)
    return Answered(answers[1:], 1000 * (time.process_time() - began) / len(asked))


if __name__ == "__main__":
    typer.run(main)
