"""A recipe with an EfficientNet-B2 and random weights, for the benchmark.

A picture costs the same whatever the weights are. The scores must still differ from picture to picture, so that a
mix-up of requests shows: the batch normalisations know the photographs, and the head is scaled to the features.
"""

from __future__ import annotations

import json
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

NAME = "effnet-b2"
_ARCHITECTURE = "efficientnet_b2"
_LABELS = ("pizza", "steak", "sushi")

_CONFIG = """\
# TorchServe reads the top level, the handler reads `handler:`.
minWorkers: 2            # the decoding of one picture and the network of another share the two cores
maxWorkers: 2
batchSize: 4             # pictures are computed one by one, so a large batch only waits longer
maxBatchDelay: 1         # ms; sends what queued while the workers were busy, does not wait for more
responseTimeout: 60      # s
startupTimeout: 300      # s
jobQueueSize: 128        # requests that may wait; further ones get 503 at once
handler:
  version: 1.0.0
  task: image_classification
  family: torchvision_classifier
  threads: 2             # so that a lone picture has both cores
  precision: auto
  options: {runtime: openvino}
"""
_CARD = """\
---
license: apache-2.0
---
# An EfficientNet-B2

Made by `python -m loadtest.bench effnet-b2` for measurements: random weights. It has learned nothing.
"""


def make_recipe(folder: Path, photographs: Sequence[bytes]) -> Path:
    """Write the recipe into ``folder/effnet-b2``; weights that exist are kept.

    Args:
        folder: Folder for the recipe.
        photographs: JPEG files that the scores are to tell apart.
    """
    recipe = folder / NAME
    (recipe / "weights").mkdir(parents=True, exist_ok=True)
    (recipe / "samples").mkdir(exist_ok=True)
    if not (recipe / "weights" / "model.safetensors").exists():
        _write_weights(recipe / "weights", photographs)
    (recipe / "samples" / "picture.jpg").write_bytes(photographs[0])
    for name, text in {
        "samples/questions.jsonl": json.dumps({"image": "picture.jpg"}) + "\n",
        "README.md": _CARD,
        "model-config.yaml": _CONFIG,
    }.items():
        (recipe / name).write_text(text, encoding="utf-8")
    return recipe


@torch.no_grad()
def _write_weights(folder: Path, photographs: Sequence[bytes]) -> None:
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
