"""Write the questions of a data set to a file that ``scripts/evaluate.py`` reads."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, get_args

import typer

from vqaops.console import one_line_errors
from vqaops.files import prepare_output
from vqaops.questions import Question
from vqaops.training.datasets import Split, hold_out, read_split
from vqaops.training.settings import TrainSettings


def main(
    output: Annotated[Path, typer.Argument(help="The file to write, with one JSON object on each line.")],
    data: Annotated[str, typer.Option(help="Folder with eval.jsonl and images/, or easy-vqa for that package.")] = (
        "easy-vqa"
    ),
    held_out: Annotated[Path | None, typer.Option(help="A recipe folder with the train.yaml of its training.")] = None,
) -> None:
    """Write the evaluation split, with the absolute path of each picture.

    With --held-out, write those of the training split about the pictures that `train.py` does not train a recipe on:
    `calibrate.py` needs them. Example: python scripts/write_questions.py work/easy-vqa.jsonl
    """
    with one_line_errors("write_questions"):
        questions = _held_out(data, held_out) if held_out else read_split(data, "eval")
        splits = (Path(data) / f"{split}.jsonl" for split in get_args(Split))
        prepare_output(output, (*splits, *{question.image for question in questions}))
        rows = [
            {"image": str(question.image.resolve()), "question": question.text, "answers": list(question.answers)}
            for question in questions
        ]
        output.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def _held_out(data: str, recipe: Path) -> list[Question]:
    settings = TrainSettings.read(recipe / "train.yaml")
    return hold_out(read_split(data, "train"), settings.held_out, settings.optimisation.seed)[1]


if __name__ == "__main__":
    typer.run(main)
