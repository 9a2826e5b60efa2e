"""torchvision itself, as the oracle of what was converted from it."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import pytest
import torch
from PIL import Image
from torch import Tensor, nn


def torchvision() -> Any:
    """Import torchvision, or skip the test where it is not installed.

    PyPI's wheel for Linux is built for torch with CUDA. Beside torch for CPUs its own operators cannot be loaded, and
    its import fails at the two that it registers. None of its classifiers uses them, so they are only declared.
    """
    if torch.version.cuda is None and not _KEPT:
        declared = torch.library.Library("torchvision", "FRAGMENT")
        for operator in ("nms", "qnms"):
            declared.define(f"{operator}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        _KEPT.append(declared)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about its reader of files, which is not used
        return pytest.importorskip("torchvision", reason="torchvision is not installed")


_KEPT: list[torch.library.Library] = []
"""Operators are forgotten with their library."""


def random_model(architecture: str, head: str, classes: int, pictures: Tensor) -> nn.Module:
    """A network of torchvision's with random weights and another head, whose scores differ from picture to picture.

    Args:
        architecture: torchvision's name of it.
        head: The attribute of the head that is replaced, such as ``classifier.1``.
        classes: Classes of the new head.
        pictures: Normalised pixels, whose scores the new head makes different.
    """
    torch.manual_seed(0)
    model: nn.Module = torchvision().models.get_model(architecture, weights=None)
    old = model.get_submodule(head)
    last = [layer for layer in old.modules() if isinstance(layer, nn.Linear)][-1]
    new = nn.Linear(last.in_features, classes)
    parent, _, name = head.rpartition(".")
    setattr(model.get_submodule(parent), name, new)
    for layer in model.modules():
        if isinstance(layer, nn.BatchNorm2d):
            layer.momentum = 1.0  # statistics of one batch alone, without which random layers fade the picture out
    seen: list[Tensor] = []
    new.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    with torch.no_grad():
        model(pictures)
        model.eval()(pictures)
        deviation, mean = torch.std_mean(seen[-1], 0)
        nn.init.normal_(new.weight, std=1 / float(deviation.norm()))
        new.bias.copy_(-new.weight @ mean)
    return model


@torch.inference_mode()
def probabilities(model: nn.Module, transforms: Any, pictures: Sequence[Image.Image]) -> Tensor:
    """What the tutorial computes: [pictures, classes]."""
    return torch.stack([model(transforms(picture)[None]).softmax(1)[0] for picture in pictures])
