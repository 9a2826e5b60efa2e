"""CLIP and SigLIP with their processors."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from transformers import CLIPConfig, CLIPModel, CLIPProcessor, SiglipConfig, SiglipModel, SiglipProcessor
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil
from transformers.models.siglip.image_processing_pil_siglip import SiglipImageProcessorPil

from tests.tiny.words import bytelevel

SIZE = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 64}
VISION = {**SIZE, "image_size": 32, "patch_size": 8}


def make_clip(weights: Path) -> dict[str, Any]:
    """Write CLIP as its repositories hold it: the short side is resized, and the middle cropped."""
    torch.manual_seed(0)
    tokenizer = bytelevel(enclose=True, bos_token="<|startoftext|>", eos_token="<|endoftext|>")
    tokenizer.model_max_length = 77
    ids = {name: getattr(tokenizer, name) for name in ("bos_token_id", "eos_token_id", "pad_token_id")}
    config = CLIPConfig(
        text_config={**SIZE, **ids, "vocab_size": len(tokenizer), "max_position_embeddings": 77},
        vision_config=VISION,
        projection_dim=16,
    )
    CLIPModel(config).save_pretrained(weights)
    pictures = CLIPImageProcessorPil(size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32})
    CLIPProcessor(image_processor=pictures, tokenizer=tokenizer).save_pretrained(weights)
    return {}


def make_siglip(weights: Path) -> dict[str, Any]:
    """Write SigLIP as its repositories hold it: every picture is resized to one size, texts have 64 tokens."""
    torch.manual_seed(0)
    tokenizer = bytelevel(eos_token="</s>", pad_token="<pad>")
    tokenizer.model_max_length = 64
    ids = {"bos_token_id": None, "eos_token_id": tokenizer.eos_token_id, "pad_token_id": tokenizer.pad_token_id}
    config = SiglipConfig(
        text_config={**SIZE, **ids, "vocab_size": len(tokenizer), "max_position_embeddings": 64},
        vision_config=VISION,
    )
    SiglipModel(config).save_pretrained(weights)
    pictures = SiglipImageProcessorPil(size={"height": 32, "width": 32})
    SiglipProcessor(image_processor=pictures, tokenizer=tokenizer).save_pretrained(weights)
    return {}
