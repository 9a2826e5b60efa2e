"""Safetensors files: read, or refused with what they are instead."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from safetensors import safe_open
from safetensors.torch import load_file
from torch import Tensor, nn

from vqaserve.errors import RecipeError
from vqaserve.file_kinds import describe


def read_tensors(path: Path) -> dict[str, Tensor]:
    """Load all tensors of a file.

    Raises:
        RecipeError: The file is missing, damaged or of another kind.
    """
    with _refusals(path):
        return load_file(path)


def load_tensors(model: nn.Module, path: Path) -> None:
    """Load all tensors of a file into a model, in float32.

    Raises:
        RecipeError: As ``read_tensors``, or the tensors are not those of the model, which ``config.json`` describes.
    """
    tensors = read_tensors(path)
    try:
        model.load_state_dict({name: tensor.float() for name, tensor in tensors.items()})
    except RuntimeError as error:
        reason = " ".join(str(error).split())
        raise RecipeError(f"{path} does not fit {path.with_name('config.json')}: {reason:.300}") from None


def mostly_linear(weights: Path) -> bool:
    """Whether most of a folder's numbers are matrices of linear layers, and not kernels of convolutions.

    Raises:
        RecipeError: A file is damaged.
    """
    counts = {True: 0, False: 0}
    for file in weights.glob("*.safetensors"):
        with opened_tensors(file) as tensors:
            shapes = [tensors.get_slice(name).get_shape() for name in tensors.keys()]  # noqa: SIM118 - not a mapping
        for shape in shapes:
            counts[len(shape) == 2] += math.prod(shape)
    return counts[True] > counts[False]


@contextmanager
def opened_tensors(path: Path) -> Iterator[Any]:
    """Open a file with ``safetensors.safe_open``, which loads a tensor when it is asked for.

    Raises:
        RecipeError: As ``read_tensors``.
    """
    with _refusals(path), safe_open(path, "pt") as tensors:
        yield tensors


@contextmanager
def _refusals(path: Path) -> Iterator[None]:
    if not path.exists():
        raise RecipeError(f"{path} is missing")
    try:
        yield
    except RecipeError:
        raise
    except Exception as error:  # noqa: BLE001 - the library raises its own errors, and Python's for odd headers
        kind = None if isinstance(error, PermissionError) else describe(path)
        reason = f"it is {kind}" if kind else " ".join(str(error).split()) or type(error).__name__
        raise RecipeError(f"{path} is damaged or not safetensors: {reason:.300}") from None
