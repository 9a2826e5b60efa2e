"""ViT with a classifier of pictures, and its image processor."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from transformers import ViTConfig, ViTForImageClassification
from transformers.models.vit.image_processing_pil_vit import ViTImageProcessorPil

LABELS = ["pizza", "steak", "sushi", "a salad"]


def make(weights: Path) -> dict[str, Any]:
    torch.manual_seed(0)
    config = ViTConfig(
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=64,
        image_size=32,
        patch_size=8,
        id2label=dict(enumerate(LABELS)),
        label2id={label: n for n, label in enumerate(LABELS)},
        initializer_range=0.5,  # large enough for scores that differ
    )
    ViTForImageClassification(config).save_pretrained(weights)
    ViTImageProcessorPil(size={"height": 32, "width": 32}).save_pretrained(weights)
    return {}
