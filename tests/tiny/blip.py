"""BLIP's question answering with its processor."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from transformers import BlipConfig, BlipForQuestionAnswering, BlipProcessor
from transformers.models.blip.image_processing_pil_blip import BlipImageProcessorPil

from tests.tiny.words import wordpiece


def make(weights: Path) -> dict[str, Any]:
    tokenizer = wordpiece()
    ids = {name: tokenizer.convert_tokens_to_ids(token) for name, token in _TOKENS.items()}
    size = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 64}
    text = {**size, **ids, "vocab_size": len(tokenizer), "encoder_hidden_size": 32, "initializer_range": 0.5}
    config = BlipConfig(
        text_config={**text, "max_position_embeddings": 64},
        vision_config={**size, "image_size": 32, "patch_size": 8, "initializer_range": 0.5},
        projection_dim=16,
        image_text_hidden_size=16,
    )
    torch.manual_seed(0)
    BlipForQuestionAnswering(config).save_pretrained(weights)
    pictures = BlipImageProcessorPil(size={"height": 32, "width": 32})
    BlipProcessor(image_processor=pictures, tokenizer=tokenizer).save_pretrained(weights)
    return {"max_new_tokens": 6}


_TOKENS = {"bos_token_id": "[CLS]", "eos_token_id": "[SEP]", "sep_token_id": "[SEP]", "pad_token_id": "[PAD]"}
