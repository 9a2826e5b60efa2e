"""The weights of both networks in one file, and means of two networks' weights."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor

from vqaserve.families.redactions.config import RedactionsConfig
from vqaserve.families.redactions.network import Networks

PAGES, BOXES = "pages.", "boxes."
"""What the names of the first and of the second network's weights begin with."""


def of_network(weights: Mapping[str, Tensor], beginning: str) -> dict[str, Tensor]:
    """The weights of one of the networks, in single precision."""
    return {
        name.removeprefix(beginning): tensor.float() if tensor.is_floating_point() else tensor
        for name, tensor in weights.items()
        if name.startswith(beginning)
    }


def mean_of(first: Mapping[str, Tensor], trained: Mapping[str, Tensor], share: float) -> dict[str, Tensor]:
    """The weighted mean of two networks' weights, ``share`` of it of the trained one (Wortsman et al. 2022)."""
    return {
        name: torch.lerp(first[name], tensor, share) if tensor.is_floating_point() else tensor
        for name, tensor in trained.items()
    }


def write_weights(folder: Path, model: Networks, config: RedactionsConfig) -> None:
    """Write the weights in half precision, and the config that they belong to."""
    folder.mkdir(parents=True, exist_ok=True)
    tensors = {
        name: (tensor.half() if tensor.is_floating_point() else tensor).contiguous()
        for name, tensor in model.state_dict().items()
    }
    save_file(tensors, folder / "model.safetensors")
    (folder / "config.json").write_text(config.model_dump_json(indent=2) + "\n", encoding="utf-8")
