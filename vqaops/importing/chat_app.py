"""The chat app's files as a recipe of family ``modular``."""

from __future__ import annotations

import textwrap
from pathlib import Path

from safetensors.torch import save_file
from tokenizers import Tokenizer

from vqaops.importing.checkpoints import read_checkpoint
from vqaops.importing.configs import CLAIMS
from vqaops.importing.conversion import ConvertedCheckpoint, convert
from vqaops.importing.recipes import Origin, new_recipe
from vqaops.importing.vocabularies import APP_TOKENS, pad_as_app, read_answer_space, read_vocabulary
from vqaserve.families.modular.files import read_answers

DESCRIPTION = (
    "Converted from a checkpoint of the VQA chat app, `{checkpoint}`: {image}, {text}, {fusion}; {words:,} words, "
    "{answers:,} answers. Fill in what it was trained on, on what terms, and what it cannot do.",
    "As in the app, pictures are resized to {side} x {side} pixels ({resample} filter) and divided by 255, without "
    "mean and deviation. Questions are prepared as in the app{padding}{question_mark}",
)
PADDED = f", padded to {APP_TOKENS} words."
MASKED = ", but padding is masked, so that an answer does not depend on the other questions of a batch."
DROPPED = (
    " No word of the vocabulary ends in a question mark, so question marks at the end are dropped; the app read "
    "`desk?` as an unknown word."
)


def convert_files(
    checkpoint: Path,
    vocabulary: Path,
    answer_space: Path,
    output: Path,
    *,
    preset: str | None = None,
    keep_padding: bool = False,
    device: str = "auto",
    base_model: str | None = None,
    revision: str | None = None,
) -> tuple[str, ...]:
    """Write a complete recipe of family ``modular``; nothing in the files is run.

    Args:
        checkpoint: ``best_modular_model.pth``, the older ``best_model.pth``, or any checkpoint of such a model.
        vocabulary: ``vocab.pkl``; for BERT ``vocab.txt`` or ``tokenizer.json``.
        answer_space: ``answer_space.txt``.
        output: The recipe's folder; its name becomes the model's.
        preset: The app's name of the model, to compare the checkpoint with.
        keep_padding: Whether questions are padded to one length and the padding is read, as in the newer app.
        device: ``auto``, ``cpu`` or ``cuda``.
        base_model: The repository on the Hub that the files are from.
        revision: The commit of that repository.

    Returns:
        Names of what the checkpoint holds besides the weights.

    Raises:
        RecipeError: A file is missing or hostile, or does not match the others; or ``output`` exists already.
    """
    tokenizer = read_vocabulary(vocabulary)
    answers = read_answer_space(answer_space)
    if keep_padding:
        pad_as_app(tokenizer)
    converted = convert(read_checkpoint(checkpoint, CLAIMS), tokenizer, answers, preset)
    origin = Origin(
        family="modular",
        pipeline_tag="visual-question-answering",
        library_name="pytorch",
        description=_describe(converted, tokenizer, answers, checkpoint.name),
        device=device,
        base_model=base_model,
        revision=revision,
    )
    with new_recipe(output, origin) as weights:
        save_file(dict(converted.tensors), weights / "model.safetensors")
        (weights / "config.json").write_text(converted.config.model_dump_json(indent=2) + "\n", encoding="utf-8")
        (weights / "answers.txt").write_text("\n".join(answers) + "\n", encoding="utf-8")
        read_answers(weights / "answers.txt")
        tokenizer.save(str(weights / "tokenizer.json"))
    return converted.passed_over


def _describe(converted: ConvertedCheckpoint, tokenizer: Tokenizer, answers: list[str], checkpoint: str) -> str:
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
        "padding": PADDED if tokenizer.padding else MASKED,
        "question_mark": "" if any(word.endswith("?") for word in tokenizer.get_vocab()) else DROPPED,
    }
    return "\n\n".join(textwrap.fill(paragraph.format(**facts), 110) for paragraph in DESCRIPTION)
