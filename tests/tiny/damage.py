"""Damage to weights."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from safetensors.numpy import load_file, save_file


def cut_off(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-100])


def remove(file: Path) -> None:
    file.unlink()


def reshape(file: Path) -> None:
    """Add a row to the first matrix or kernel of a file."""
    tensors = load_file(file)
    name = next(name for name, tensor in tensors.items() if tensor.ndim >= 2)
    tensors[name] = np.concatenate([tensors[name], tensors[name][:1]])
    save_file(tensors, file, metadata={"format": "pt"})
