"""Copies of a Hugging Face folder's files as the weights of a recipe."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path

from safetensors.torch import save_file
from torch import Tensor

from vqaops.importing.checkpoints import read_checkpoint
from vqaops.importing.folders import INDEX, weight_map
from vqaops.importing.own_names import OwnNames
from vqaserve.families.weight_files import opened_tensors, read_tensors


def copy_files(folder: Path, weights: Path, names: Iterable[str]) -> None:
    """Copy the named files to ``weights``; safetensors become hard links where the disk allows, because they are large.

    Pickled weights are rewritten as safetensors without running anything in them, and so are safetensors whose tensors
    have the names that a wrapper gave them.

    Raises:
        RecipeError: Weights are damaged or hostile.
    """
    own = OwnNames(folder)
    for name in names:
        source, target = folder / name, weights / _as_safetensors(name)
        if name.endswith(INDEX):
            _copy_index(source, target, own)
        elif name.endswith(".bin"):
            _save(read_checkpoint(source).tensors, target, own)
        elif name.endswith(".safetensors"):
            with opened_tensors(source) as tensors:
                found = list(tensors.keys())
            if own.of(found) == {name: name for name in found}:
                _link(source, target)
            else:
                _save(read_tensors(source), target, own)
        else:  # small, and the user may want to edit it
            shutil.copyfile(source, weights / name)


def _as_safetensors(name: str) -> str:
    return name.replace("pytorch_model", "model").replace(".bin", ".safetensors")


def _save(tensors: Mapping[str, Tensor], target: Path, own: OwnNames) -> None:
    # Copies, because safetensors refuses tensors that share memory.
    named = {new: tensors[old].clone().contiguous() for old, new in own.of(list(tensors)).items()}
    save_file(named, target, metadata={"format": "pt"})


def _copy_index(source: Path, target: Path, own: OwnNames) -> None:
    files = weight_map(source)
    named = {new: _as_safetensors(files[old]) for old, new in own.of(list(files)).items()}
    if named == files:
        shutil.copyfile(source, target)
    else:
        target.write_text(json.dumps({"metadata": {}, "weight_map": named}, indent=2) + "\n", encoding="utf-8")


def _link(source: Path, target: Path) -> None:
    source = source.resolve()  # the Hub's cache consists of symbolic links
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)
