"""Tiny modular models with random weights, written as a recipe."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers

from vqaserve.families.modular import Modular
from vqaserve.families.modular.config import ModularConfig
from vqaserve.families.modular.model import ModularModel
from vqaserve.settings import HandlerSettings

ANSWERS = ["yes", "no", "red", "garbage_bin", "2"]
WORDS = ["[PAD]", "[UNK]", "is", "the", "wall", "red", "what", "on", "table", "?"]
SETTINGS = HandlerSettings(version="1.0.0", family="modular", device="cpu")

IMAGE_ENCODERS: dict[str, dict[str, Any]] = {
    "small_cnn": {"name": "small_cnn", "widths": [4, 8, 8]},
    "efficientnet_lite0": {"name": "efficientnet_lite0", "channels": 8},
    "blind": {"name": "blind"},
}
TEXT_ENCODERS: dict[str, dict[str, Any]] = {
    "transformer": {"name": "transformer", "width": 16, "layers": 2, "attention_heads": 2, "hidden": 16},
    "lstm": {"name": "lstm", "embedding": 8, "width": 16},
}
FUSIONS: dict[str, dict[str, Any]] = {
    "concatenation": {"name": "concatenation", "hidden": 16},
    "glimpse_attention": {"name": "glimpse_attention", "width": 16, "glimpses": 2},
}


def make(weights: Path) -> dict[str, Any]:
    """Write the default combination; the folder must be called ``weights``."""
    write_recipe(weights.parent)
    return {}


def write_recipe(
    folder: Path,
    image_encoder: str = "small_cnn",
    text_encoder: str = "transformer",
    fusion: str = "glimpse_attention",
    heads: int = 1,
) -> Path:
    """Write ``folder/weights`` and return ``folder``."""
    config = ModularConfig.model_validate(
        {
            "pixels": {"width": 64, "height": 32},
            "image_encoder": IMAGE_ENCODERS[image_encoder],
            "text_encoder": TEXT_ENCODERS[text_encoder],
            "fusion": FUSIONS[fusion],
            "max_tokens": 12,
            "heads": heads,
            "temperature": 1.5,
        }
    )
    return write(folder, config)


def write(folder: Path, config: ModularConfig) -> Path:
    """Write ``folder/weights`` with random weights for a config, and return ``folder``."""
    torch.manual_seed(0)
    model = ModularModel(config, vocabulary=len(WORDS), answers=len(ANSWERS))
    for head in model.heads:  # large enough for answers that differ
        torch.nn.init.normal_(head.classifier.weight, std=2.0)
    weights = folder / "weights"
    weights.mkdir(parents=True)
    save_file(model.state_dict(), weights / "model.safetensors")
    (weights / "config.json").write_text(config.model_dump_json())
    (weights / "answers.txt").write_text("\n".join(ANSWERS) + "\n")
    tokenizer().save(str(weights / "tokenizer.json"))
    return folder


def tokenizer() -> Tokenizer:
    """A tokenizer of WORDS; all other words are unknown."""
    made = Tokenizer(models.WordLevel({word: number for number, word in enumerate(WORDS)}, unk_token="[UNK]"))
    made.normalizer = normalizers.Lowercase()
    made.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    return made


def edit_config(folder: Path, **changes: Any) -> None:
    """Change top-level keys of ``config.json``."""
    path = folder / "weights" / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def load(folder: Path) -> Modular:
    """Load the family on the CPU."""
    return Modular.load(folder, SETTINGS)
