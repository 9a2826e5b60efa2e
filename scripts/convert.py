"""Turn the files of the VQA chat app into a recipe."""

from __future__ import annotations

import textwrap
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from safetensors.torch import save_file
from tokenizers import Tokenizer

from scripts.moving.conversion import Converted, convert
from scripts.moving.pickles import read_checkpoint
from scripts.moving.presets import PRESETS
from scripts.moving.recipes import Origin, new_recipe
from scripts.moving.vocabularies import read_answer_space, read_vocabulary
from vqaserve.errors import RecipeError
from vqaserve.families.modular.files import read_answers

STORY = (
    "Converted from a checkpoint of the VQA chat app, `{checkpoint}`: {image}, {text}, {fusion}; {words:,} words, "
    "{answers:,} answers. Fill in what it was trained on, on what terms, and what it cannot do.",
    "As in the app, pictures are squeezed to {side} x {side} pixels ({resample} filter) and divided by 255, without "
    "mean and deviation. Questions are prepared as there too, but padding is masked: an answer no longer depends on "
    "the other questions of a batch.{question_mark}",
)
DROPPED = (
    " And no word of the vocabulary ends in a question mark, so one at the end of a question is dropped, where the app "
    "would have read `desk?` as an unknown word."
)


def write_recipe(
    folder: Path, converted: Converted, tokenizer: Tokenizer, answers: list[str], checkpoint: str, device: str = "auto"
) -> None:
    """Write a complete recipe of family ``modular``.

    Raises:
        RecipeError: Something is there already, or the answers do not serve as labels.
    """
    config = converted.config
    facts = {
        "checkpoint": checkpoint,
        "image": config.image_encoder.name,
        "text": config.text_encoder.name,
        "fusion": config.fusion.name,
        "words": tokenizer.get_vocab_size(),
        "answers": len(answers),
        "side": config.pixels.width,
        "resample": config.pixels.resample,
        "question_mark": "" if any(word.endswith("?") for word in tokenizer.get_vocab()) else DROPPED,
    }
    story = "\n\n".join(textwrap.fill(paragraph.format(**facts), 110) for paragraph in STORY)
    with new_recipe(folder, Origin("modular", "visual-question-answering", "pytorch", story, device)) as weights:
        save_file(dict(converted.tensors), weights / "model.safetensors")
        (weights / "config.json").write_text(config.model_dump_json(indent=2) + "\n", encoding="utf-8")
        (weights / "answers.txt").write_text("\n".join(answers) + "\n", encoding="utf-8")
        read_answers(weights / "answers.txt")
        tokenizer.save(str(weights / "tokenizer.json"))


def main(
    checkpoint: Annotated[Path, typer.Argument(help="best_modular_model.pth, or the older best_model.pth.")],
    vocab: Annotated[Path, typer.Option(help="vocab.pkl; for BERT its vocab.txt or tokenizer.json.")],
    answers: Annotated[Path, typer.Option(help="answer_space.txt, an answer a line.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="The recipe's folder; its name is the model's.")],
    preset: Annotated[
        str | None,
        typer.Option(help=f"What the app called the combination; without it, the file tells. {', '.join(PRESETS)}"),
    ] = None,
    device: Annotated[str, typer.Option(envvar="DEVICE", help="auto, cpu or cuda.")] = "auto",
) -> None:
    """Turn the files of the VQA chat app into a recipe; nothing in them is run.

    Example: scripts/convert.py best_model.pth --vocab vocab.pkl --answers answer_space.txt -o recipes/chat
    """
    try:
        tokenizer = read_vocabulary(vocab)
        labels = read_answer_space(answers)
        converted = convert(read_checkpoint(checkpoint), tokenizer, labels, preset)
        write_recipe(output, converted, tokenizer, labels, checkpoint.name, device)
    except RecipeError as error:
        Console(stderr=True).print(f"[red]refused:[/] {escape(str(error))}", highlight=False, soft_wrap=True)
        raise typer.Exit(1) from None
    Console().print(f"{output}: now build it: scripts/build_mar.py {output}", highlight=False, soft_wrap=True)


if __name__ == "__main__":
    typer.run(main)
