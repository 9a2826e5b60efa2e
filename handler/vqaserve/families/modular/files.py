"""Loading the files of a modular model; error messages say what is missing or does not fit, and what would."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Final

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from tokenizers import Tokenizer
from torch import Tensor

from vqaserve.errors import RecipeError
from vqaserve.families.modular.model import ModularModel
from vqaserve.text_files import read_lines

_MAX_LISTED: Final = 8
"""Number of faults that a message lists; it counts the rest."""


def read_answers(path: Path) -> list[str]:
    """Load the answers: one answer a line, whose number is the class.

    Raises:
        RecipeError: The file cannot be read, has an empty line, or names an answer twice.
    """
    answers = read_lines(path)
    if not answers or not all(answers):
        raise RecipeError(f"{path} must hold one answer a line and no empty line")
    repeated = [answer for answer, count in Counter(answers).items() if count > 1]
    if repeated:
        raise RecipeError(f"{path} names an answer twice: {', '.join(repeated[:_MAX_LISTED])}")
    return answers


def read_tokenizer(path: Path) -> Tokenizer:
    """Load a tokenizer in the format of the ``tokenizers`` library.

    Raises:
        RecipeError: The file is missing, or the library cannot read it.
    """
    if not path.is_file():
        raise RecipeError(f"{path} is missing; `tokenizers.Tokenizer.save` writes it")
    try:
        return Tokenizer.from_file(str(path))
    except Exception as error:  # noqa: BLE001  the library raises bare Exception
        raise RecipeError(f"{path} is not a file of the tokenizers library: {error}") from None


def read_weights(path: Path, model: ModularModel) -> None:
    """Load a safetensors file into the model; floating-point tensors become float32.

    Raises:
        RecipeError: The file is missing or damaged, or its tensors do not match the model; the message lists them.
    """
    if not path.is_file():
        raise RecipeError(f"{path} is missing")
    try:
        tensors = load_file(path)
    except SafetensorError as error:
        raise RecipeError(f"{path} is damaged or not safetensors: {error}") from None
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
