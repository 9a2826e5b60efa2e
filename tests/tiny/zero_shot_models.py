"""The models of ``AutoModelForZeroShotImageClassification`` beside CLIP and SigLIP, with their processors."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import transformers
from transformers import (
    AlignProcessor,
    AltCLIPProcessor,
    BlipProcessor,
    ChineseCLIPProcessor,
    CLIPProcessor,
    CLIPSegProcessor,
    Siglip2Processor,
    Siglip2Tokenizer,
)
from transformers.models.blip.image_processing_pil_blip import BlipImageProcessorPil
from transformers.models.chinese_clip.image_processing_pil_chinese_clip import ChineseCLIPImageProcessorPil
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil
from transformers.models.efficientnet.image_processing_pil_efficientnet import EfficientNetImageProcessorPil
from transformers.models.siglip2.image_processing_pil_siglip2 import Siglip2ImageProcessorPil
from transformers.models.vit.image_processing_pil_vit import ViTImageProcessorPil

from tests.tiny.words import bytelevel, wordpiece
from tests.tiny.zero_shot import SIZE, VISION

SQUARE = {"height": 32, "width": 32}
BERT = {**SIZE, "vocab_size": 100, "max_position_embeddings": 64}


def _save(weights: Path, name: str, text: dict[str, Any], vision: dict[str, Any], processor: Any, **more: Any) -> None:
    torch.manual_seed(0)
    config = getattr(transformers, f"{name}Config")(text_config=text, vision_config=vision, **more)
    getattr(transformers, f"{name}Model")(config).save_pretrained(weights)
    processor.save_pretrained(weights)


def _pieces() -> Any:
    tokenizer = wordpiece()
    tokenizer.model_max_length = 64
    return tokenizer


def _bytes() -> tuple[Any, dict[str, Any]]:
    """CLIP's kind of tokenizer, and the part of a config that fits it."""
    tokenizer = bytelevel(enclose=True, bos_token="<|startoftext|>", eos_token="<|endoftext|>")
    tokenizer.model_max_length = 77
    ids = {name: getattr(tokenizer, name) for name in ("bos_token_id", "eos_token_id", "pad_token_id")}
    return tokenizer, {**SIZE, **ids, "vocab_size": len(tokenizer), "max_position_embeddings": 77}


def _cropped(kind: Any) -> Any:
    return kind(size={"shortest_edge": 32}, crop_size=SQUARE)


def make_align(weights: Path) -> None:
    """EfficientNet and BERT; the similarity is divided by a temperature."""
    vision = {
        "image_size": 32,
        "width_coefficient": 0.2,
        "depth_coefficient": 0.2,
        "hidden_dim": 32,
        "initializer_range": 0.2,
    }
    processor = AlignProcessor(
        image_processor=EfficientNetImageProcessorPil(size=SQUARE, crop_size=SQUARE), tokenizer=_pieces()
    )
    _save(
        weights,
        "Align",
        {**BERT, "initializer_range": 0.2},
        vision,
        processor,
        projection_dim=64,
        temperature_init_value=0.1,
    )


def make_altclip(weights: Path) -> None:
    """RoBERTa for texts, whose positions are counted from behind the padding token's."""
    tokenizer, text = _bytes()
    tokenizer.model_max_length = 512
    text |= {"max_position_embeddings": tokenizer.pad_token_id + 1 + 77, "project_dim": 16, "initializer_range": 0.5}
    processor = AltCLIPProcessor(image_processor=_cropped(CLIPImageProcessorPil), tokenizer=tokenizer)
    _save(weights, "AltCLIP", text, VISION, processor, projection_dim=16)


def make_blip(weights: Path) -> None:
    """The dual encoder of BLIP."""
    text = {**BERT, "encoder_hidden_size": 32, "projection_dim": 16, "initializer_range": 0.5}
    vision = {**VISION, "initializer_range": 0.5}
    processor = BlipProcessor(image_processor=BlipImageProcessorPil(size=SQUARE), tokenizer=_pieces())
    _save(weights, "Blip", text, vision, processor, projection_dim=16, image_text_hidden_size=16)


def make_chinese_clip(weights: Path) -> None:
    """BERT for texts."""
    processor = ChineseCLIPProcessor(image_processor=_cropped(ChineseCLIPImageProcessorPil), tokenizer=_pieces())
    _save(weights, "ChineseCLIP", BERT, VISION, processor, projection_dim=16)


def make_clipseg(weights: Path) -> None:
    """CLIP with other preprocessing; its decoder of segments is not part of this class."""
    tokenizer, text = _bytes()
    processor = CLIPSegProcessor(image_processor=ViTImageProcessorPil(size=SQUARE), tokenizer=tokenizer)
    _save(weights, "CLIPSeg", text, VISION, processor, projection_dim=16)


def make_metaclip_2(weights: Path) -> None:
    """CLIP for texts of many languages."""
    tokenizer, text = _bytes()
    processor = CLIPProcessor(image_processor=_cropped(CLIPImageProcessorPil), tokenizer=tokenizer)
    _save(weights, "MetaClip2", text, VISION, processor, projection_dim=16)


def make_siglip2(weights: Path) -> None:
    """SigLIP 2 with pictures in their own shape: the encoder takes patches, their mask and their number."""
    words = ["<pad>", "<eos>", "<bos>", "<unk>", "<mask>", *(f"<0x{byte:02X}>" for byte in range(256))]
    tokenizer = Siglip2Tokenizer(vocab={word: number for number, word in enumerate(words)}, model_max_length=64)
    ids = {"bos_token_id": None, "eos_token_id": tokenizer.eos_token_id, "pad_token_id": tokenizer.pad_token_id}
    text = {**SIZE, **ids, "vocab_size": len(tokenizer), "max_position_embeddings": 64}
    vision = {**SIZE, "patch_size": 8, "num_patches": 16}
    pictures = Siglip2ImageProcessorPil(patch_size=8, max_num_patches=16)
    _save(weights, "Siglip2", text, vision, Siglip2Processor(image_processor=pictures, tokenizer=tokenizer))


MAKERS: dict[str, Callable[[Path], None]] = {
    "ALIGN": make_align,
    "AltCLIP": make_altclip,
    "BLIP": make_blip,
    "Chinese CLIP": make_chinese_clip,
    "CLIPSeg": make_clipseg,
    "MetaCLIP 2": make_metaclip_2,
    "SigLIP 2": make_siglip2,
}
