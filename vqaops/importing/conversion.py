"""A chat app's checkpoint turned into the tensors and the config of family ``modular``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from tokenizers import Tokenizer
from torch import Tensor

from vqaops.importing.architecture import read_words
from vqaops.importing.checkpoints import Checkpoint
from vqaops.importing.configs import claims_of, to_config
from vqaops.importing.prefixes import strip_prefixes
from vqaops.importing.presets import PRESETS
from vqaops.importing.tensor_names import ROOTS, TensorNames, to_ours, used
from vqaserve.errors import RecipeError
from vqaserve.families.modular.config import ModularConfig
from vqaserve.families.modular.model import ModularModel

_SHOWN = 8


@dataclass(frozen=True, slots=True)
class ConvertedCheckpoint:
    """Weights under our names, the config that they fit, and what else the checkpoint holds, in words."""

    config: ModularConfig
    tensors: Mapping[str, Tensor]
    passed_over: tuple[str, ...]


def convert(
    checkpoint: Checkpoint, tokenizer: Tokenizer, answers: Sequence[str], preset: str | None
) -> ConvertedCheckpoint:
    """Read the model from the tensors, hold it against what the config or the preset says, and rename.

    Args:
        checkpoint: The weights, and the architecture if the file told it.
        tokenizer: Its vocabulary must have as many words as the model.
        answers: As many as the model has classes.
        preset: A name in ``PRESETS``; counts for more than the checkpoint's own config.

    Raises:
        RecipeError: The parts do not fit; the tensors at fault are listed under the file's own names.
    """
    stripped = strip_prefixes(checkpoint.tensors, ROOTS)
    names = TensorNames.of(stripped.tensors, stripped.file_names)
    tensors = used({names.to_app(name): tensor for name, tensor in stripped.tensors.items()})
    claims = claims_of({**checkpoint.config, **(_preset(preset) if preset else {})})
    config = to_config({**read_words(tensors), **claims}, names.older)
    faults = _faults(tensors, _wanted(config, tokenizer.get_vocab_size(), len(answers)), names)
    if faults:
        more = f"; and {len(faults) - _SHOWN} more" if len(faults) > _SHOWN else ""
        told = f"preset {preset!r}, " if preset else "its config, " if checkpoint.config else ""
        sizes = f"{tokenizer.get_vocab_size():,} words and {len(answers):,} answers"
        raise RecipeError(f"the checkpoint does not fit {told}{sizes}: {'; '.join(faults[:_SHOWN])}{more}")
    renamed = {to_ours(name): tensor.clone().contiguous() for name, tensor in tensors.items()}
    return ConvertedCheckpoint(config, renamed, (*checkpoint.passed_over, *stripped.passed_over))


def _preset(name: str) -> dict[str, object]:
    if name not in PRESETS:
        raise RecipeError(f"preset {name!r} does not exist; there are: {', '.join(PRESETS)}")
    return PRESETS[name]


def _wanted(config: ModularConfig, vocabulary: int, answers: int) -> dict[str, Tensor]:
    """The tensors that a config wants, without their numbers."""
    with torch.device("meta"):
        return ModularModel(config, vocabulary=vocabulary, answers=answers).state_dict()


def _faults(tensors: Mapping[str, Tensor], wanted: Mapping[str, Tensor], names: TensorNames) -> list[str]:
    """What is of a wrong shape, too much, or missing; a missing tensor goes by our name."""
    ours = {to_ours(name): (names.to_file(name), list(tensor.shape)) for name, tensor in tensors.items()}
    wrong, unknown, missing = [], [], []
    for name, (file, shape) in ours.items():
        if name not in wanted:
            unknown.append(f"{file} {shape} is not part of the model")
        elif shape != list(wanted[name].shape):
            wrong.append(f"{file} is {shape}, {list(wanted[name].shape)} would fit")
    for name in wanted.keys() - ours.keys():
        missing.append(f"{name.removeprefix('heads.0.')} {list(wanted[name].shape)} is missing")
    return [*wrong, *unknown, *sorted(missing)]
