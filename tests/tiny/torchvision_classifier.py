"""EfficientNet-B0 on small pictures, the smallest of torchvision's networks here."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import nn

from vqaserve.families.torchvision_classifier.architectures import Classifier
from vqaserve.families.torchvision_classifier.config import TorchvisionConfig, Transforms

LABELS = ("pizza", "steak", "sushi", "a salad")


def make(weights: Path) -> dict[str, Any]:
    torch.manual_seed(0)
    config = TorchvisionConfig(
        architecture="efficientnet_b0", labels=LABELS, transforms=Transforms(resize=64, crop=64, resample="bicubic")
    )
    model = Classifier(config.architecture, len(LABELS))
    for layer in model.modules():
        if isinstance(layer, nn.BatchNorm2d):
            layer.momentum = 1.0  # statistics of one batch alone, without which random layers fade the picture out
    pictures = nn.functional.interpolate(torch.randn(8, 3, 4, 5), (64, 64), mode="bicubic")
    with torch.no_grad():
        model(pictures)
        deviation, mean = torch.std_mean(model.eval().backbone(pictures), 0)
        nn.init.normal_(model.head.weight, std=1 / float(deviation.norm()))  # scores that differ
        model.head.bias.copy_(-model.head.weight @ mean)
    weights.mkdir(parents=True, exist_ok=True)
    save_file(model.state_dict(), weights / "model.safetensors")
    (weights / "config.json").write_text(config.model_dump_json())
    return {}
