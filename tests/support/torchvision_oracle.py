"""torchvision itself, as the oracle of what was converted from it; run as a command with torchvision on its path.

It needs a process of its own. transformers would use a torchvision that it finds, and where torch is built for CPUs it
fails to import PyPI's, which is built for CUDA.
"""

from __future__ import annotations

import json
import sys
import warnings
from pathlib import Path
from typing import Any, Final

import torch
from torch import Tensor, nn

from tests.support.families import photo

CASES: Final = {
    # name: architecture, weights whose transforms are used, the head that is replaced
    "efficientnet_b0": ("efficientnet_b0", "IMAGENET1K_V1", "classifier"),
    "efficientnet_b2": ("efficientnet_b2", "IMAGENET1K_V1", "classifier.1"),
    "resnet18": ("resnet18", "IMAGENET1K_V1", "fc"),
    "resnet50": ("resnet50", "IMAGENET1K_V2", "fc"),
    "vit_b_16": ("vit_b_16", "IMAGENET1K_V1", "heads"),
}
CLASSES: Final = ("pizza", "steak", "sushi")
PICTURES: Final = (photo(401, 300, 0), photo(300, 411, 1), photo(97, 64, 2), photo(288, 288, 3))


def import_torchvision() -> Any:
    """Import torchvision, also beside torch for CPUs.

    Its own operators cannot be loaded there, and its import fails at the two that it registers. None of its classifiers
    uses them, so they are only declared.
    """
    if torch.version.cuda is None:
        for operator in ("nms", "qnms"):
            _OPERATORS.define(f"{operator}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about its reader of files, which is not used
        import torchvision
    return torchvision


_OPERATORS = torch.library.Library("torchvision", "FRAGMENT")  # operators are forgotten with their library


def random_model(models: Any, architecture: str, head: str, pictures: Tensor) -> nn.Module:
    """A network with random weights and another head, whose scores differ from picture to picture.

    Args:
        models: ``torchvision.models``.
        architecture: torchvision's name of the network.
        head: The attribute of the head that is replaced, such as ``classifier.1``.
        pictures: Normalised pixels, whose scores the new head makes different.
    """
    torch.manual_seed(0)
    model: nn.Module = models.get_model(architecture, weights=None)
    last = [layer for layer in model.get_submodule(head).modules() if isinstance(layer, nn.Linear)][-1]
    new = nn.Linear(last.in_features, len(CLASSES))
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
def write_case(models: Any, case: str, folder: Path) -> None:
    """Write a checkpoint, and what the tutorial computes with it: a list of probabilities for each picture."""
    architecture, weights, head = CASES[case]
    transforms = models.get_model_weights(architecture)[weights].transforms()
    pixels = [transforms(picture) for picture in PICTURES]
    model = random_model(models, architecture, head, torch.stack(pixels))
    torch.save(model.state_dict(), folder / f"{case}.pth")
    expected = [model(one[None]).softmax(1)[0].tolist() for one in pixels]
    (folder / f"{case}.json").write_text(json.dumps(expected))


def main() -> None:
    """Write all cases to the folder that is the only argument."""
    models = import_torchvision().models
    for case in CASES:
        write_case(models, case, Path(sys.argv[1]))


if __name__ == "__main__":
    main()
