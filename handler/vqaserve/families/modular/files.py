"""Loading the files of a modular model; error messages say what is missing or does not fit, and what would."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import torch
from tokenizers import Tokenizer
from torch import Tensor

from vqaserve.errors import RecipeError
from vqaserve.families.modular.model import ModularModel
from vqaserve.families.weight_files import read_tensors
from vqaserve.file_kinds import describe
from vqaserve.text_files import read_lines, read_text

_MAX_LISTED: Final = 8
"""Number of faults that a message lists; it counts the rest."""


def read_answers(path: Path) -> list[str]:
    """Load the answers: one answer a line, whose number is the class.

    Raises:
        RecipeError: The file cannot be read, or as ``check_answers``; with the number of the line.
    """
    return check_answers(read_lines(path), str(path))


def check_answers(answers: list[str], source: str) -> list[str]:
    """Return the answers if a model can have them.

    Args:
        answers: One for each class, as the lines of a file.
        source: What the error message calls the file.

    Raises:
        RecipeError: There are none, or one is empty, holds a NUL character, or appears twice.
    """
    if not answers:
        raise RecipeError(f"{source} is empty; it must hold one answer a line")
    numbers: dict[str, int] = {}
    for number, answer in enumerate(answers, 1):
        where = f"{source}:{number}"
        if not answer.strip():
            raise RecipeError(f"{where} is an empty line; every line must hold one answer")
        if "\0" in answer:
            raise RecipeError(f"{where} holds a NUL character; the file is not text, or is damaged")
        if answer in numbers:
            raise RecipeError(f"{where} names the answer {answer!r} again, after line {numbers[answer]}; remove one")
        numbers[answer] = number
    return answers


def read_tokenizer(path: Path) -> Tokenizer:
    """Load a tokenizer in the format of the ``tokenizers`` library.

    Raises:
        RecipeError: The file is missing, or the library cannot read it.
    """
    text = read_text(path)
    try:
        return Tokenizer.from_str(text)
    except Exception as error:  # noqa: BLE001  the library raises bare Exception
        kind = describe(path)
        reason = error if kind in (None, "JSON text") else f"it is {kind}"
        raise RecipeError(f"{path} is not a file of the tokenizers library: {reason}") from None


def read_weights(path: Path, model: ModularModel) -> None:
    """Load a safetensors file into the model; floating-point tensors become float32.

    Raises:
        RecipeError: The file is missing or damaged, or its tensors do not match the model; the message lists them.
    """
    tensors = read_tensors(path)
    faults = _faults(tensors, model.state_dict())
    if faults:
        more = f"; and {len(faults) - _MAX_LISTED} more" if len(faults) > _MAX_LISTED else ""
        raise RecipeError(
            f"{path} does not fit config.json, answers.txt and tokenizer.json: "
            + "; ".join(faults[:_MAX_LISTED])
            + more
        )
    model.load_state_dict({name: _widen(tensor) for name, tensor in tensors.items()})


def _faults(tensors: dict[str, Tensor], wanted: dict[str, Tensor]) -> list[str]:
    faults = []
    for name in sorted(tensors.keys() | wanted.keys()):
        if name not in tensors:
            faults.append(f"{name} {list(wanted[name].shape)} is missing")
        elif name not in wanted:
            faults.append(f"{name} {list(tensors[name].shape)} is not part of the model")
        elif tensors[name].shape != wanted[name].shape:
            faults.append(f"{name} is {list(tensors[name].shape)}, {list(wanted[name].shape)} would fit")
    return faults


def _widen(tensor: Tensor) -> Tensor:
    return tensor.to(torch.float32) if tensor.is_floating_point() else tensor
