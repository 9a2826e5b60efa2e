"""Whether a version that learned from an audience of which a share talks nonsense passes the gates before the build.

No server and no page take part: what people say is written as an export writes it, and the same steps follow.
"""

from __future__ import annotations

import random
import shutil
from pathlib import Path
from typing import Annotated

import torch
import typer

from loadtest.learning.audience import poisoned
from vqaops.console import new_console, one_line_errors
from vqaops.finetuning.tuning import tune_copy
from vqaops.improving import exam
from vqaops.rollout.operations import gate_line
from vqaops.training.datasets import hold_out, read_split
from vqaserve.errors import RecipeError
from vqaserve.settings import ModelConfig


def main(
    recipe: Annotated[Path, typer.Argument(exists=True, file_okay=False, help="A recipe folder.")],
    data: Annotated[str, typer.Argument(help="easy-vqa, or a folder with eval.jsonl and images/.")],
    share: Annotated[float, typer.Option(min=0, max=1, help="Share of the audience's answers that is nonsense.")] = 0.3,
    audience: Annotated[int, typer.Option(min=10, help="Pictures that the audience asks about.")] = 155,
    golden: Annotated[int, typer.Option(min=10, help="Other pictures, for the golden set.")] = 245,
    work: Annotated[Path, typer.Option(help="Folder of the recipe that is made; it is replaced.")] = Path(
        "work/nonsense"
    ),
) -> None:
    """Fine-tune a recipe on what such an audience says, and print the gates.

    Example: python -m loadtest.learning.nonsense recipes/shapes easy-vqa --share 0.3
    """
    torch.set_num_threads(2)
    with one_line_errors("nonsense"):
        questions = read_split(data, "eval")
        images = sorted({question.image for question in questions})
        if len(images) < audience + golden:
            raise RecipeError(f"{data} has {len(images)} pictures; ask for fewer: --audience, --golden")
        random.Random(0).shuffle(images)
        asked, kept = set(images[:audience]), set(images[audience : audience + golden])
        said = poisoned([question for question in questions if question.image in asked], share)
        learned, held_out = hold_out(said, 0.2, seed=0)
        shutil.rmtree(work, ignore_errors=True)
        tune_copy(recipe, learned, [], work / "state", work / "recipe")
        gate = ModelConfig.read(recipe / "model-config.yaml").handler.gate
        after = work / "recipe"
        exams = [exam.Exam.of(recipe, after, part) for part in (held_out, [q for q in questions if q.image in kept])]
    console = new_console()
    console.print(f"{len(said):,} questions, {share:.0%} of them with nonsense")
    console.print(gate_line(exam.learned(exams[0])), gate_line(exam.kept(exams[1], gate.max_accuracy_loss)), sep="\n")


if __name__ == "__main__":
    typer.run(main)
