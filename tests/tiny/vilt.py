"""ViLT with its processor."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from transformers import ViltConfig, ViltForQuestionAnswering, ViltProcessor
from transformers.models.vilt.image_processing_pil_vilt import ViltImageProcessorPil

from tests.tiny.words import ANSWERS, wordpiece


def make(weights: Path) -> dict[str, Any]:
    tokenizer = wordpiece()
    config = ViltConfig(
        vocab_size=len(tokenizer),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=64,
        image_size=64,
        patch_size=16,
        max_position_embeddings=40,
        id2label=dict(enumerate(ANSWERS)),
        label2id={answer: n for n, answer in enumerate(ANSWERS)},
        initializer_range=0.5,  # large enough for answers that differ
    )
    torch.manual_seed(0)
    ViltForQuestionAnswering(config).save_pretrained(weights)
    pictures = ViltImageProcessorPil(size={"shortest_edge": 64}, size_divisor=16)
    ViltProcessor(image_processor=pictures, tokenizer=tokenizer).save_pretrained(weights)
    return {}


def make_openvino(weights: Path) -> dict[str, Any]:
    return {**make(weights), "runtime": "openvino"}
