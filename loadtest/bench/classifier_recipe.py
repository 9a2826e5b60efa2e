"""A recipe with an EfficientNet-B2 and random weights, for the benchmark."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

NAME = "effnet-b2"

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
        from loadtest.bench.classifier_weights import write_weights  # imports torch, which takes seconds

        write_weights(recipe / "weights", photographs)
    (recipe / "samples" / "picture.jpg").write_bytes(photographs[0])
    for name, text in {
        "samples/questions.jsonl": json.dumps({"image": "picture.jpg"}) + "\n",
        "README.md": _CARD,
        "model-config.yaml": _CONFIG,
    }.items():
        (recipe / name).write_text(text, encoding="utf-8")
    return recipe
