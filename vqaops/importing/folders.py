"""A Hugging Face folder as a recipe: its family found by transformers' own tables, its files copied as they are."""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from safetensors.torch import save_file

from vqaops.importing.checkpoints import read_checkpoint
from vqaops.importing.prefixes import strip_wrappers
from vqaserve.errors import RecipeError

SUFFIXES = frozenset({".json", ".jinja", ".model", ".safetensors", ".txt"})
"""Endings of the files that make up a model: settings, chat template, vocabulary, weights."""

_PICKLED = re.compile(r"pytorch_model.*\.bin(\.index\.json)?")


def is_pickled(name: str) -> bool:
    """Whether a file is transformers' older, pickled form of weights, or the index of such files."""
    return _PICKLED.fullmatch(name) is not None


def choose(names: Iterable[str], where: str, pickled: bool) -> list[str]:
    """The files that go into a recipe, of all that a folder or a repository holds.

    Sub-folders hold other formats. Pickled weights are taken only where they are allowed and there are no others.

    Raises:
        RecipeError: There are no weights that may be taken.
    """
    here = [name for name in names if "/" not in name]
    plain = [name for name in here if Path(name).suffix in SUFFIXES and not is_pickled(name)]
    if any(name.endswith(".safetensors") for name in plain):
        return plain
    weights = [name for name in here if is_pickled(name)]
    if not weights:
        raise RecipeError(f"{where} holds no weights in *.safetensors")
    allow(weights[0], where, pickled)
    return [*plain, *weights]


def allow(name: str, where: str, pickled: bool) -> None:
    """Refuse a pickled file unless it was said to be wanted.

    Raises:
        RecipeError: It was not.
    """
    if not pickled:
        raise RecipeError(
            f"{where} holds {name}, which is pickled, and no safetensors; --pickled takes it, and reads it so that "
            "nothing in it can run"
        )


def find_family(folder: Path) -> tuple[str, str]:
    """What serves a folder, and the Hub's word for what it does.

    Raises:
        RecipeError: No family of ours does, or the folder is not a model's.
    """
    try:
        # transformers takes seconds to import, and not everyone has it.
        from transformers import MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING, MODEL_FOR_VISUAL_QUESTION_ANSWERING_MAPPING

        from vqaserve.families.pretrained import read_config
    except ModuleNotFoundError as error:
        raise RecipeError(
            f"{error.name} is not installed; .venv/bin/pip install -c constraints.txt -e '.[hf]'"
        ) from None
    config = read_config(folder)
    if type(config) in MODEL_FOR_VISUAL_QUESTION_ANSWERING_MAPPING:
        kind: Any = MODEL_FOR_VISUAL_QUESTION_ANSWERING_MAPPING[type(config)]
        family = "hf_generative" if kind.can_generate() else "hf_classifier"
        return family, "visual-question-answering"
    if type(config) in MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING:
        return "hf_generative", "image-text-to-text"
    made = ", ".join(config.architectures or []) or config.model_type
    raise RecipeError(
        f"{folder} is a {made}, which answers no questions about pictures; families hf_classifier and hf_generative "
        "take what transformers' AutoModelForVisualQuestionAnswering and AutoModelForImageTextToText take"
    )


def copy_files(folder: Path, weights: Path, names: Iterable[str]) -> None:
    """Put the named files of a folder into ``weights``, safetensors as links where the disk allows: they are large.

    Pickled weights are rewritten as safetensors, tensor by tensor, without running anything in them.

    Raises:
        RecipeError: Pickled weights are damaged, or ask to import something.
    """
    for name in names:
        if is_pickled(name) and name.endswith(".json"):
            _rewrite_index(folder / name, weights / _as_safetensors(name))
        elif is_pickled(name):
            # Copies: tensors that share their memory cannot be saved as they are.
            tensors = strip_wrappers(read_checkpoint(folder / name).tensors).tensors
            copied = {key: tensor.clone().contiguous() for key, tensor in tensors.items()}
            save_file(copied, weights / _as_safetensors(name), metadata={"format": "pt"})
        elif name.endswith(".safetensors"):
            _link(folder / name, weights / name)
        else:  # small, and somebody may want to edit it
            shutil.copyfile(folder / name, weights / name)


def _as_safetensors(name: str) -> str:
    return name.replace("pytorch_model", "model").replace(".bin", ".safetensors")


def _rewrite_index(source: Path, target: Path) -> None:
    index = json.loads(source.read_text(encoding="utf-8"))
    index["weight_map"] = {tensor: _as_safetensors(file) for tensor, file in index["weight_map"].items()}
    target.write_text(json.dumps(index, indent=2) + "\n", encoding="utf-8")


def _link(source: Path, target: Path) -> None:
    source = source.resolve()  # the hub's cache holds links
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)
