"""Image-text-to-text models: LLaVA, Qwen2-VL, SmolVLM, PaliGemma, with processors and chat templates."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from transformers import (
    CLIPVisionConfig,
    GemmaConfig,
    LlamaConfig,
    LlavaConfig,
    LlavaForConditionalGeneration,
    LlavaProcessor,
    PaliGemmaConfig,
    PaliGemmaForConditionalGeneration,
    PaliGemmaProcessor,
    Qwen2VLConfig,
    Qwen2VLForConditionalGeneration,
    SiglipVisionConfig,
    SmolVLMConfig,
    SmolVLMForConditionalGeneration,
)
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil
from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil
from transformers.models.siglip.image_processing_pil_siglip import SiglipImageProcessorPil
from transformers.models.smolvlm.image_processing_pil_smolvlm import SmolVLMImageProcessorPil

from tests.tiny.words import bytelevel

_LANGUAGE = {
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 4096,
    "initializer_range": 0.3,
}
_VISION = {
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "image_size": 32,
    "patch_size": 8,
    "initializer_range": 0.3,
}
_OPTIONS = {"max_new_tokens": 6}


def make_llava(weights: Path) -> dict[str, Any]:
    tokenizer = bytelevel(["<image>"], bos_token="<s>")
    image = tokenizer.convert_tokens_to_ids("<image>")
    config = LlavaConfig(
        vision_config=CLIPVisionConfig(**_VISION),
        text_config=LlamaConfig(**_LANGUAGE, **_ids(tokenizer)),
        image_token_id=image,
        vision_feature_layer=-1,
    )
    _save(LlavaForConditionalGeneration, config, weights)
    pictures = CLIPImageProcessorPil(size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32})
    LlavaProcessor(
        image_processor=pictures,
        tokenizer=tokenizer,
        patch_size=8,
        vision_feature_select_strategy="default",
        num_additional_image_tokens=1,
        chat_template=_template("USER: ", "<image>\n", " ", "ASSISTANT:"),
    ).save_pretrained(weights)
    return _OPTIONS


def make_qwen2_vl(weights: Path) -> dict[str, Any]:
    control = ["<|im_start|>", "<|im_end|>", "<|vision_start|>", "<|vision_end|>", "<|image_pad|>", "<|video_pad|>"]
    tokenizer = bytelevel(control)
    ids = dict(zip(control, tokenizer.convert_tokens_to_ids(control), strict=True))
    config = Qwen2VLConfig(
        text_config={
            **_LANGUAGE,
            **_ids(tokenizer),
            "rope_parameters": {"rope_type": "default", "mrope_section": [1, 1, 2]},
        },
        vision_config={"depth": 2, "embed_dim": 32, "hidden_size": 32, "num_heads": 4, "patch_size": 8, "mlp_ratio": 2},
        image_token_id=ids["<|image_pad|>"],
        video_token_id=ids["<|video_pad|>"],
        vision_start_token_id=ids["<|vision_start|>"],
        vision_end_token_id=ids["<|vision_end|>"],
    )
    _save(Qwen2VLForConditionalGeneration, config, weights)
    pictures = Qwen2VLImageProcessorPil(patch_size=8, size={"shortest_edge": 16 * 16, "longest_edge": 64 * 64})
    template = _template(
        "<|im_start|>user\n", "<|vision_start|><|image_pad|><|vision_end|>", "<|im_end|>\n", "<|im_start|>assistant\n"
    )
    _save_parts(weights, "Qwen2VLProcessor", tokenizer, pictures, template)
    return _OPTIONS


def make_smolvlm(weights: Path) -> dict[str, Any]:
    grid = [f"<row_{row}_col_{column}>" for row in range(1, 5) for column in range(1, 5)]
    control = ["<image>", "<fake_token_around_image>", "<global-img>", "<end_of_utterance>", *grid]
    tokenizer = bytelevel(control, bos_token="<|im_start|>")
    config = SmolVLMConfig(
        text_config={**_LANGUAGE, **_ids(tokenizer), "model_type": "llama"},
        vision_config=_VISION,
        image_token_id=tokenizer.convert_tokens_to_ids("<image>"),
        scale_factor=2,
        pad_token_id=tokenizer.pad_token_id,
    )
    _save(SmolVLMForConditionalGeneration, config, weights)
    pictures = SmolVLMImageProcessorPil(size={"longest_edge": 64}, max_image_size={"longest_edge": 32})
    template = _template("<|im_start|>User:", "<image>", "<end_of_utterance>\n", "Assistant:")
    _save_parts(weights, "SmolVLMProcessor", tokenizer, pictures, template, image_seq_len=4)
    return _OPTIONS


def make_paligemma(weights: Path) -> dict[str, Any]:
    tokenizer = bytelevel(["<image>"], bos_token="<bos>")
    text = GemmaConfig(**_LANGUAGE, head_dim=8, **_ids(tokenizer, more=2048))
    config = PaliGemmaConfig(
        text_config=text,
        vision_config=SiglipVisionConfig(**_VISION),
        image_token_id=tokenizer.convert_tokens_to_ids("<image>"),
        projection_dim=32,
    )
    _save(PaliGemmaForConditionalGeneration, config, weights)
    pictures = SiglipImageProcessorPil(size={"height": 32, "width": 32})
    pictures.image_seq_length = 16
    PaliGemmaProcessor(image_processor=pictures, tokenizer=tokenizer).save_pretrained(weights)
    return _OPTIONS


def _ids(tokenizer: Any, more: int = 0) -> dict[str, Any]:
    named = {"bos_token_id": tokenizer.bos_token_id, "eos_token_id": tokenizer.eos_token_id}
    return {**named, "pad_token_id": tokenizer.pad_token_id, "vocab_size": len(tokenizer) + more}


def _save(kind: Any, config: Any, weights: Path) -> None:
    torch.manual_seed(0)
    kind(config).save_pretrained(weights)


def _save_parts(weights: Path, name: str, tokenizer: Any, pictures: Any, template: str, **rest: Any) -> None:
    """Write the files of a processor with a video part, which cannot be created without torchvision."""
    tokenizer.save_pretrained(weights)
    pictures.save_pretrained(weights)
    (weights / "processor_config.json").write_text(json.dumps({"processor_class": name, **rest}))
    (weights / "chat_template.jinja").write_text(template)


def _template(start: str, image: str, end: str, answer: str) -> str:
    return (
        "{% for message in messages %}{% if message['role'] == 'assistant' %}" + answer + "{% else %}" + start + ""
        "{% endif %}{% for part in message['content'] %}"
        "{% if part['type'] == 'image' %}" + image + "{% else %}{{ part['text'] }}{% endif %}"
        "{% endfor %}" + end + "{% endfor %}{% if add_generation_prompt %}" + answer + "{% endif %}"
    )
