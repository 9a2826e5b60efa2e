"""Turn the files of the VQA chat app into a recipe."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from vqaops.console import refuse
from vqaops.importing.chat_app import convert_files
from vqaops.importing.presets import PRESETS
from vqaserve.errors import RecipeError


def main(
    checkpoint: Annotated[Path, typer.Argument(help="best_modular_model.pth, or the older best_model.pth.")],
    vocab: Annotated[Path, typer.Option(help="vocab.pkl; for BERT its vocab.txt or tokenizer.json.")],
    answers: Annotated[Path, typer.Option(help="answer_space.txt, an answer a line.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="The recipe's folder; its name is the model's.")],
    preset: Annotated[
        str | None,
        typer.Option(help=f"What the app called the combination; without it, the file tells. {', '.join(PRESETS)}"),
    ] = None,
    keep_padding: Annotated[
        bool,
        typer.Option(
            "--keep-padding", help="Pad to 32 words and read the padding, as the newer app; else it is masked."
        ),
    ] = False,
    device: Annotated[str, typer.Option(envvar="DEVICE", help="auto, cpu or cuda.")] = "auto",
) -> None:
    """Turn the files of the VQA chat app into a recipe; nothing in them is run.

    Example: scripts/convert.py best_model.pth --vocab vocab.pkl --answers answer_space.txt -o recipes/chat
    """
    try:
        passed_over = convert_files(
            checkpoint, vocab, answers, output, preset=preset, keep_padding=keep_padding, device=device
        )
    except RecipeError as error:
        refuse("convert", error)
    if passed_over:
        Console().print(
            f"not part of the model, passed over: {', '.join(passed_over)}", highlight=False, soft_wrap=True
        )
    Console().print(f"{output}: now build it: scripts/build_mar.py {output}", highlight=False, soft_wrap=True)


if __name__ == "__main__":
    typer.run(main)
