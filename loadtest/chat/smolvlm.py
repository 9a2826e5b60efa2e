"""A recipe with a model of SmolVLM-256M's size and random weights.

The classes and sizes are those of ``HuggingFaceTB/SmolVLM-256M-Instruct``; a picture of 512 pixels is one tile of 64
tokens. The tokenizer knows whole words only, so that a written answer has the same tokens when it is read again, as
with a trained tokenizer. No answer contains the end token: its vector is zero, and with it its logit.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast, SmolVLMConfig, SmolVLMForConditionalGeneration
from transformers.models.smolvlm.image_processing_pil_smolvlm import SmolVLMImageProcessorPil

from loadtest.pairs import QUESTIONS

NAME = "smolvlm"
NEW_TOKENS = 32
SIDE = 512
"""Pixels of a picture's sides."""

_ROLES = ("User:", "Assistant:", "System:")
_CONTROL = ("<|im_start|>", "<end_of_utterance>", "<image>", "<fake_token_around_image>", "<global-img>", "<pad>")
_TEMPLATE = (
    "<|im_start|>{% for message in messages %}{{ message['role'] | capitalize }}: "
    "{% for part in message['content'] %}{% if part['type'] == 'image' %}<image>{% else %}{{ part['text'] }}{% endif %}"
    "{% endfor %}<end_of_utterance>\n{% endfor %}{% if add_generation_prompt %}Assistant:{% endif %}"
)
_CONFIG = """\
# TorchServe reads the top level, the handler reads `handler:`.
minWorkers: 1
maxWorkers: 1
batchSize: 8
maxBatchDelay: 50        # ms; little beside an answer, and requests that arrive together share a batch
responseTimeout: 120     # s
startupTimeout: 300      # s; a gigabyte of weights
handler:
  version: 1.0.0
  family: hf_generative
  threads: {threads}
  options:
    max_new_tokens: {tokens}
"""
_CARD = """\
---
license: apache-2.0
---
# A model of SmolVLM-256M's size

Made by `python -m loadtest.chat` for measurements: random weights. It has learned nothing.
"""


@dataclass(frozen=True)
class Size:
    """What of the model's size is changed to measure something else than speed.

    Attributes:
        name: Of the recipe.
        layers: Of the language model and of the vision tower.
        side: Pixels of a picture's sides.
        words: In the vocabulary.
    """

    name: str = NAME
    layers: tuple[int, int] = (30, 12)
    side: int = SIDE
    words: int = 49_280


SMALL = Size("smolvlm-small", (2, 1), 128, 512)


def make_recipe(folder: Path, threads: int, size: Size = Size()) -> Path:
    """Make the recipe if it is missing, and return its folder."""
    recipe = folder / size.name
    config = _CONFIG.format(threads=threads, tokens=NEW_TOKENS)
    if not (recipe / "weights" / "config.json").exists():
        _write_weights(recipe / "weights", size)
    samples = recipe / "samples"
    samples.mkdir(exist_ok=True)
    Image.radial_gradient("L").convert("RGB").save(samples / "picture.png")
    sample = {"image": "picture.png", "question": QUESTIONS[0], "answers": []}
    (samples / "questions.jsonl").write_text(json.dumps(sample) + "\n", encoding="utf-8")
    (recipe / "README.md").write_text(_CARD, encoding="utf-8")
    (recipe / "model-config.yaml").write_text(config, encoding="utf-8")
    return recipe


def _write_weights(weights: Path, size: Size) -> None:
    tokenizer = _tokenizer(size.words)
    ids: dict[str, Any] = {name: tokenizer.convert_tokens_to_ids(name) for name in _CONTROL}
    text = {
        "model_type": "llama",
        "hidden_size": 576,
        "intermediate_size": 1536,
        "num_hidden_layers": size.layers[0],
        "num_attention_heads": 9,
        "num_key_value_heads": 3,
        "head_dim": 64,
        "vocab_size": size.words,
        "max_position_embeddings": 8192,
        "rope_parameters": {"rope_type": "default", "rope_theta": 100_000},
        "bos_token_id": ids["<|im_start|>"],
        "eos_token_id": ids["<end_of_utterance>"],
        "pad_token_id": ids["<pad>"],
        "tie_word_embeddings": True,
    }
    vision = {
        "hidden_size": 768,
        "intermediate_size": 3072,
        "num_hidden_layers": size.layers[1],
        "num_attention_heads": 12,
        "image_size": size.side,
        "patch_size": 16,
    }
    config = SmolVLMConfig(
        text_config=text,
        vision_config=vision,
        image_token_id=ids["<image>"],
        scale_factor=4,
        tie_word_embeddings=True,
        **{"pad_token_id": ids["<pad>"]},
    )
    torch.manual_seed(0)
    model: Any = SmolVLMForConditionalGeneration(config)
    with torch.no_grad():
        model.get_input_embeddings().weight[ids["<end_of_utterance>"]] = 0
    model.generation_config.eos_token_id = ids["<end_of_utterance>"]
    model.save_pretrained(weights)
    tokenizer.save_pretrained(weights)
    pictures = SmolVLMImageProcessorPil(
        size={"longest_edge": size.side}, max_image_size={"longest_edge": size.side}, do_image_splitting=False
    )
    pictures.save_pretrained(weights)
    processor = {"processor_class": "SmolVLMProcessor", "image_seq_len": (size.side // 64) ** 2}
    (weights / "processor_config.json").write_text(json.dumps(processor), encoding="utf-8")
    (weights / "chat_template.jinja").write_text(_TEMPLATE, encoding="utf-8")


def _tokenizer(count: int) -> PreTrainedTokenizerFast:
    asked = [word for question in QUESTIONS for word in question.split()]
    known = list(dict.fromkeys(["<unk>", *_CONTROL, *_ROLES, *asked]))
    words = known + [f"w{number}" for number in range(count - len(known))]
    tokenizer = Tokenizer(models.WordLevel({word: number for number, word in enumerate(words)}, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    fast = PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]
        tokenizer_object=tokenizer,
        unk_token="<unk>",
        pad_token="<pad>",
        bos_token="<|im_start|>",
        eos_token="<end_of_utterance>",
    )
    fast.add_special_tokens({"additional_special_tokens": list(_CONTROL)})
    return fast
