"""Random weights of an EfficientNet-B2, for the benchmark.

A picture costs the same whatever the weights are. The scores must still differ from picture to picture, so that a
mix-up of requests shows: the batch normalisations know the photographs, and the head is scaled to the features.
"""

from __future__ import annotations

from collections.abc import Sequence
from io import BytesIO
from pathlib import Path

import torch
from PIL import Image
from safetensors.torch import save_file
from torch import Tensor, nn

from vqaserve.families.torchvision_classifier.architectures import ARCHITECTURES, Classifier
from vqaserve.families.torchvision_classifier.config import TorchvisionConfig
from vqaserve.families.torchvision_classifier.preparation import to_pixels

_ARCHITECTURE = "efficientnet_b2"
_LABELS = ("pizza", "steak", "sushi")


@torch.no_grad()
def write_weights(folder: Path, photographs: Sequence[bytes]) -> None:
    """Write the files of a ``weights`` folder.

    Args:
        folder: The folder.
        photographs: JPEG files that the scores are to tell apart.
    """
    torch.manual_seed(0)
    transforms = ARCHITECTURES[_ARCHITECTURE].transforms
    model = Classifier(_ARCHITECTURE, len(_LABELS))
    for layer in model.modules():
        if isinstance(layer, nn.BatchNorm2d):
            layer.momentum = 1.0  # statistics of one batch alone, without which random layers fade a picture out
    pixels = torch.stack([to_pixels(_open(photograph), transforms) for photograph in photographs])
    model(pixels)
    features: Tensor = model.eval().backbone(pixels)
    deviation, mean = torch.std_mean(features, 0)
    nn.init.normal_(model.head.weight, std=2 / float(deviation.norm()))
    model.head.bias.copy_(-model.head.weight @ mean)
    save_file(model.state_dict(), folder / "model.safetensors")
    config = TorchvisionConfig(architecture=_ARCHITECTURE, labels=_LABELS, transforms=transforms)
    (folder / "config.json").write_text(config.model_dump_json(), encoding="utf-8")


def _open(photograph: bytes) -> Image.Image:
    return Image.open(BytesIO(photograph)).convert("RGB")
