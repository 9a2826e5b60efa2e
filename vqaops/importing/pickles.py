"""Pickled files from elsewhere, read so that nothing in them can run."""

from __future__ import annotations

import pickle
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

import torch
from torch import Tensor

from vqaserve.errors import RecipeError

MAX_WORDS_BYTES = 64 * 1024 * 1024
_WRAPPERS = ("model_state_dict", "state_dict")
_SHOWN = 4


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What a ``.pth`` file holds that a recipe can use.

    Attributes:
        tensors: The weights by name.
        config: The architecture in the chat app's words, empty when the file has none.
    """

    tensors: Mapping[str, Tensor]
    config: Mapping[str, Any] = field(default_factory=dict)


class ModularConfig:
    """Stands in for the chat app's class of the same name: takes the attributes, has no code that could run."""


def read_words(path: Path) -> dict[str, int]:
    """A vocabulary from a pickled dictionary, word to number.

    Raises:
        RecipeError: The file is missing, or holds anything but a plain dictionary of text and whole numbers; a
            pickle that names something to import is refused before that is imported.
    """
    if not path.is_file():
        raise RecipeError(f"{path} is missing; it is the pickled dictionary from words to numbers")
    if path.stat().st_size > MAX_WORDS_BYTES:
        raise RecipeError(f"{path} has {path.stat().st_size:,} bytes; a vocabulary has at most {MAX_WORDS_BYTES:,}")
    try:
        with path.open("rb") as file:
            words = _PlainUnpickler(file).load()
    except _NotPlainError as error:
        raise RecipeError(
            f"{path} is refused: it asks to import {error}, which a list of words does not need; nothing of it was run"
        ) from None
    except Exception as error:  # noqa: BLE001 - damaged pickles raise nearly anything
        raise RecipeError(f"{path} is not a pickled dictionary ({type(error).__name__}: {error})") from None
    # `type`, not `isinstance`: True is an int.
    if type(words) is not dict or any(
        type(word) is not str or type(number) is not int for word, number in words.items()
    ):
        raise RecipeError(f"{path} holds something else than a dictionary from words to whole numbers")
    return words


class _NotPlainError(Exception):
    pass


class _PlainUnpickler(pickle.Unpickler):
    """Every way in which a pickle can name code leads to ``find_class``."""

    def find_class(self, module: str, name: str) -> NoReturn:
        raise _NotPlainError(f"{module}.{name}")


def read_checkpoint(path: Path) -> Checkpoint:
    """The weights of a PyTorch checkpoint: a bare state dict, or a dictionary around it.

    Raises:
        RecipeError: The file is missing, damaged, not a model's, or asks to import something.
    """
    if not path.is_file():
        raise RecipeError(f"{path} is missing")
    try:
        # The chat app's trainer pickles its config object along; the stand-in takes its place.
        with torch.serialization.safe_globals([(ModularConfig, "modular_config.ModularConfig")]):
            content = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise RecipeError(f"{path} {_refusal(str(error))}") from None
    except Exception as error:  # noqa: BLE001 - damaged files raise nearly anything
        raise RecipeError(
            f"{path} is not a PyTorch checkpoint ({type(error).__name__}: {_first_line(error)})"
        ) from None
    return _unwrap(path, content)


def _refusal(message: str) -> str:
    found = re.search(r"(?:GLOBAL|global|function|type) `?([\w.]+\.[\w.]+)", message)
    if not found:
        reason = message.rpartition("WeightsUnpickler error: ")[2]
        return f"is not a PyTorch checkpoint ({_first_line(reason)})"
    return f"is refused: it asks to import {found[1]}, and weights are tensors alone; nothing of it was run"


def _first_line(text: object) -> str:
    return (str(text).strip().splitlines() or ["no reason given"])[0][:200]


def _unwrap(path: Path, content: Any) -> Checkpoint:
    if not isinstance(content, dict):
        raise RecipeError(f"{path} holds a {type(content).__name__}; a checkpoint is a dictionary of tensors")
    config = content.get("config", {})
    if isinstance(config, ModularConfig):
        config = vars(config)
    tensors = next((content[name] for name in _WRAPPERS if isinstance(content.get(name), dict)), content)
    others = [str(name) for name, value in tensors.items() if not isinstance(value, Tensor)]
    if others or not tensors:
        named = ", ".join(others[:_SHOWN]) or "nothing"
        raise RecipeError(
            f"{path} is not a state dict: it holds {named}; expected tensors, bare or under {' or '.join(_WRAPPERS)}"
        )
    # DataParallel puts its own name before each.
    plain = {str(name).removeprefix("module."): tensor for name, tensor in tensors.items()}
    return Checkpoint(plain, config if isinstance(config, dict) else {})
