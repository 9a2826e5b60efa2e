"""What a classifier knows of the pictures that it was trained on, in a folder beside the files of transformers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from vqaserve.errors import RecipeError
from vqaserve.families.familiarity import Familiarity, Known
from vqaserve.families.weight_files import load_tensors
from vqaserve.json_files import read_json
from vqaserve.yaml_files import validate_settings

_FOLDER = "familiarity"
"""A folder of its own, because every safetensors file beside ``config.json`` counts as a part of the network."""
_CONFIG, _TENSORS = "config.json", "model.safetensors"


class KnownPictures(Known):
    """``familiarity/config.json``.

    Attributes:
        head: The name of the model's last layer, whose inputs are the features.
    """

    head: str


class _FamiliarHead(nn.Module):
    """A model's last layer, with the distance to the nearest known picture after its logits."""

    def __init__(self, head: nn.Module, familiarity: Familiarity) -> None:
        super().__init__()
        self.head = head
        self.familiarity = familiarity

    def forward(self, features: Tensor) -> Tensor:
        """Map features [n, width] to float32 [n, classes + 1]."""
        return torch.cat([self.head(features).float(), self.familiarity(features)], 1)


def read_known(weights: Path) -> KnownPictures | None:
    """What the model knows; None without such a folder.

    Raises:
        RecipeError: The file is missing or damaged.
    """
    file = weights / _FOLDER / _CONFIG
    return validate_settings(KnownPictures, read_json(file), str(file)) if file.parent.is_dir() else None


def add_distance(model: Any, weights: Path, known: KnownPictures) -> None:
    """Let a model give the distance to the nearest known picture after its logits.

    Raises:
        RecipeError: A file is missing or damaged, or they are those of another model.
    """
    try:
        head = model.get_submodule(known.head)
        familiarity = Familiarity(known.pictures, head.in_features)
    except AttributeError:
        raise RecipeError(
            f"{weights / _FOLDER / _CONFIG}: head is {known.head!r:.80}, which is no linear layer of "
            f"{type(model).__name__}"
        ) from None
    load_tensors(familiarity, weights / _FOLDER / _TENSORS)
    model.set_submodule(known.head, _FamiliarHead(head, familiarity))


def write_known(weights: Path, head: str, familiarity: Familiarity, known: Known) -> None:
    """Write the known features, in half precision, and what belongs to them."""
    folder = weights / _FOLDER
    folder.mkdir(exist_ok=True)
    tensors = familiarity.state_dict()
    save_file({**tensors, "known": tensors["known"].half()}, folder / _TENSORS)
    config = KnownPictures(head=head, **known.model_dump())
    (folder / _CONFIG).write_text(config.model_dump_json(indent=2) + "\n", encoding="utf-8")
