"""The conversion of a chat app's checkpoint to the tensors and the config of family ``modular``."""

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
    """Weights under the names of family ``modular``, their config, and the names of what was passed over."""

    config: ModularConfig
    tensors: Mapping[str, Tensor]
    passed_over: tuple[str, ...]


def convert(
    checkpoint: Checkpoint, tokenizer: Tokenizer, answers: Sequence[str], preset: str | None
) -> ConvertedCheckpoint:
    """Derive the architecture from the tensors, compare it with the config or the preset, and rename the tensors.

    Args:
        checkpoint: The weights, and the config if the file has one.
        tokenizer: The tokenizer; its vocabulary must have the model's size.
        answers: The answers, one for each class.
        preset: A name in ``PRESETS``, which overrides the checkpoint's config.

    Raises:
        RecipeError: The parts do not match; the message lists the faulty tensors under the file's own names.
    """
    stripped = strip_prefixes(checkpoint.tensors, ROOTS)
    names = TensorNames.of(stripped.tensors, stripped.file_names)
    tensors = used({names.to_app(name): tensor for name, tensor in stripped.tensors.items()})
    claims = claims_of({**checkpoint.config, **(_preset(preset) if preset else {})})
    config = to_config({**read_words(tensors), **claims}, names.older)
    faults = _faults(tensors, _wanted(config, tokenizer.get_vocab_size(), len(answers)), names)
    if faults:
        more = f"; and {len(faults) - _SHOWN} more" if len(faults) > _SHOWN else ""
        source = f"preset {preset!r}, " if preset else "its config, " if checkpoint.config else ""
        sizes = f"{tokenizer.get_vocab_size():,} words and {len(answers):,} answers"
        raise RecipeError(f"the checkpoint does not fit {source}{sizes}: {'; '.join(faults[:_SHOWN])}{more}")
    renamed = {to_ours(name): tensor.clone().contiguous() for name, tensor in tensors.items()}
    return ConvertedCheckpoint(config, renamed, (*checkpoint.passed_over, *stripped.passed_over))


def _preset(name: str) -> dict[str, object]:
    if name not in PRESETS:
        raise RecipeError(f"preset {name!r} does not exist; there are: {', '.join(PRESETS)}")
    return PRESETS[name]


def _wanted(config: ModularConfig, vocabulary: int, answers: int) -> dict[str, Tensor]:
    """The tensors of a config, without their values."""
    with torch.device("meta"):
        return ModularModel(config, vocabulary=vocabulary, answers=answers).state_dict()


def _faults(tensors: Mapping[str, Tensor], wanted: Mapping[str, Tensor], names: TensorNames) -> list[str]:
    """List wrong shapes, unknown tensors and missing ones; a missing tensor has the name of family ``modular``."""
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
