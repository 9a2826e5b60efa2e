"""CLIP, a Llama and a LoRA adapter saved by peft."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, get_peft_model
from transformers import CLIPConfig, CLIPModel, CLIPProcessor, LlamaConfig, LlamaForCausalLM
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

from tests.tiny.words import bytelevel

_SIZE = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 64}


def make(weights: Path) -> dict[str, Any]:
    torch.manual_seed(0)
    _save_clip(weights / "clip")
    tokenizer = bytelevel(bos_token="<s>")
    ids = {name: getattr(tokenizer, name) for name in ("bos_token_id", "eos_token_id", "pad_token_id")}
    config = LlamaConfig(vocab_size=len(tokenizer), max_position_embeddings=2048, initializer_range=0.3, **_SIZE, **ids)
    model = LlamaForCausalLM(config)
    model.save_pretrained(weights / "llm")
    tokenizer.save_pretrained(weights / "llm")
    # Random weights in both matrices, because peft's initial adapter changes nothing.
    lora = LoraConfig(r=8, target_modules=["q_proj", "k_proj", "v_proj", "o_proj"], init_lora_weights=False)
    get_peft_model(model, lora).save_pretrained(weights / "adapter")
    return {"max_new_tokens": 6}


def _save_clip(folder: Path) -> None:
    tokenizer = bytelevel(enclose=True, bos_token="<|startoftext|>", eos_token="<|endoftext|>")
    tokenizer.model_max_length = 77
    ids = {name: getattr(tokenizer, name) for name in ("bos_token_id", "eos_token_id", "pad_token_id")}
    config = CLIPConfig(
        text_config={**_SIZE, **ids, "vocab_size": len(tokenizer), "max_position_embeddings": 77},
        vision_config={**_SIZE, "image_size": 32, "patch_size": 8},
        projection_dim=16,
    )
    CLIPModel(config).save_pretrained(folder)
    pictures = CLIPImageProcessorPil(size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32})
    CLIPProcessor(image_processor=pictures, tokenizer=tokenizer).save_pretrained(folder)
