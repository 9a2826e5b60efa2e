"""Write a data set's questions as a file that ``scripts/evaluate.py`` reads."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from vqaops.training.datasets import read_split


def main(
    output: Annotated[Path, typer.Argument(help="The file to write, one JSON object a line.")],
    data: Annotated[str, typer.Option(help="Folder with eval.jsonl and images/, or the word easy-vqa.")] = "easy-vqa",
) -> None:
    """Write the evaluation split, with the full path of each picture.

    Example: python scripts/write_questions.py work/easy-vqa.jsonl
    """
    rows = (
        {"image": str(example.image.resolve()), "question": example.text, "answers": list(example.answers)}
        for example in read_split(data, "eval")
    )
    output.parent.mkdir(parents=True, exist_ok=True)
    output.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


if __name__ == "__main__":
    typer.run(main)
