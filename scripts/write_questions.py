"""Write the questions of a data set to a file that ``scripts/evaluate.py`` reads."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, get_args

import typer

from vqaops.console import one_line_errors
from vqaops.files import prepare_output
from vqaops.training.datasets import Split, read_split


def main(
    output: Annotated[Path, typer.Argument(help="The file to write, with one JSON object on each line.")],
    data: Annotated[str, typer.Option(help="Folder with eval.jsonl and images/, or easy-vqa for that package.")] = (
        "easy-vqa"
    ),
) -> None:
    """Write the evaluation split, with the absolute path of each picture.

    Example: python scripts/write_questions.py work/easy-vqa.jsonl
    """
    with one_line_errors("write_questions"):
        questions = read_split(data, "eval")
        splits = (Path(data) / f"{split}.jsonl" for split in get_args(Split))
        prepare_output(output, (*splits, *{question.image for question in questions}))
        rows = [
            {"image": str(question.image.resolve()), "question": question.text, "answers": list(question.answers)}
            for question in questions
        ]
        output.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


if __name__ == "__main__":
    typer.run(main)
