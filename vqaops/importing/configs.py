"""The ``config.json`` of a model in the chat app's words."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from pydantic import ValidationError

from vqaops.importing.presets import Words
from vqaops.importing.vocabularies import APP_TOKENS
from vqaserve.errors import RecipeError
from vqaserve.families.modular.config import ModularConfig
from vqaserve.validation import describe_faults

CLAIMS: dict[str, type] = {
    "image_encoder_type": str,
    "cnn_model_name": str,
    "image_encoder_dim": int,
    "text_encoder_type": str,
    "text_encoder_dim": int,
    "fusion_type": str,
    "fusion_dim": int,
    "lstm_embed_dim": int,
    "lstm_hidden_size": int,
    "lstm_num_layers": int,
    "coattention_hidden_dim": int,
    "coattention_num_heads": int,
    "bilinear_hidden_dim": int,
}
"""Words of a checkpoint's config that say what the model is, and their types; the rest is about training."""

SIDE = 224
"""Pixels; to this the chat app squeezes pictures for every encoder but the small CNN."""
_HEAD = 64  # width of one attention head in every published BERT and ViT
_LSTM_TOKENS = 512  # more than a question within the limits has: the older app never cut one
_NATIVE = {"resnet18": 512, "resnet50": 2048, "efficientnet_b0": 1280}


def claims_of(config: Mapping[str, Any]) -> Words:
    """What a checkpoint's config or a preset says of the model.

    Raises:
        RecipeError: A word is of a wrong type.
    """
    claims = {name: config[name] for name in CLAIMS if name in config}
    for name, value in claims.items():
        if type(value) is not CLAIMS[name]:
            raise RecipeError(f"the config's {name} is {value!r:.80}, not {CLAIMS[name].__name__}")
    return {name: value.lower() if isinstance(value, str) else value for name, value in claims.items()}


def to_config(words: Words, older: bool) -> ModularConfig:
    """What ``config.json`` says of the model.

    Args:
        words: What the model is.
        older: Whether the checkpoint is of the older kind, whose app prepared pictures and questions otherwise.

    Raises:
        RecipeError: A word has a value that no model of ours has.
    """
    image, text, fusion = words["image_encoder_type"], words["text_encoder_type"], words["fusion_type"]
    if image == "cnn":  # what kind of CNN is a word of its own
        image = words["cnn_model_name"]
    for name, table in ((image, _IMAGE_OPTIONS), (text, _TEXT_OPTIONS), (fusion, _FUSION_OPTIONS)):
        if name not in table:
            raise RecipeError(f"{name!r} cannot be moved; there are: {', '.join(table)}")
    side = words.get("image_size", SIDE)
    config = {
        # `bilinear` is what the older app's `torchvision.transforms.Resize` did, `bicubic` the newer's `Image.resize`.
        "pixels": {
            "width": side,
            "height": side,
            "resample": "bilinear" if older else "bicubic",
            "mean": [0.0, 0.0, 0.0],
            "std": [255.0, 255.0, 255.0],
        },
        "image_encoder": {"name": _IMAGE_NAMES.get(image, image), **_IMAGE_OPTIONS[image](words)},
        "text_encoder": {"name": text, **_TEXT_OPTIONS[text](words)},
        "fusion": {"name": fusion, **_FUSION_OPTIONS[fusion](words)},
        "max_tokens": _LSTM_TOKENS if older else APP_TOKENS,
    }
    try:
        return ModularConfig.model_validate(config)
    except ValidationError as error:
        raise RecipeError(f"there is no such model: {describe_faults(ModularConfig, error)}") from None


def _unless(native: int, wanted: int) -> int | None:
    """The width of the app's projections, which are there only where the widths differ."""
    return None if native == wanted else wanted


def _vit_options(words: Words) -> dict[str, Any]:
    width = words.get("vit_width", 768)
    return {
        "width": width,
        "layers": words.get("vit_layers", 12),
        "attention_heads": max(width // _HEAD, 1),
        "hidden": words.get("vit_hidden", 4 * width),
        "patch": words.get("vit_patch", 16),
        "projection": _unless(width, words["image_encoder_dim"]),
    }


def _bert_options(words: Words) -> dict[str, Any]:
    width = words.get("bert_width", 768)
    return {
        "width": width,
        "layers": words.get("bert_layers", 12),
        "attention_heads": max(width // _HEAD, 1),
        "hidden": words.get("bert_hidden", 4 * width),
        "positions": words.get("bert_positions", 512),
        "projection": _unless(width, words["text_encoder_dim"]),
    }


def _lstm_options(words: Words) -> dict[str, Any]:
    width = words.get("lstm_hidden_size", 128)
    return {
        "embedding": words.get("lstm_embed_dim", 50),
        "width": width,
        "layers": words.get("lstm_num_layers", 1),
        "projection": _unless(width, words["text_encoder_dim"]),
    }


def _published(name: str) -> Callable[[Words], dict[str, Any]]:
    return lambda words: {"projection": _unless(_NATIVE[name], words["image_encoder_dim"])}


_IMAGE_NAMES = {"small_cnn": "strided_cnn"}
_IMAGE_OPTIONS: dict[str, Callable[[Words], dict[str, Any]]] = {
    "small_cnn": lambda words: {
        "widths": words.get("cnn_widths", (16, 32)),
        "projection": _unless(words.get("cnn_flat", 512), words["image_encoder_dim"]),
    },
    **{name: _published(name) for name in _NATIVE},
    "vit": _vit_options,
}
_TEXT_OPTIONS: dict[str, Callable[[Words], dict[str, Any]]] = {"lstm": _lstm_options, "bert": _bert_options}
_FUSION_OPTIONS: dict[str, Callable[[Words], dict[str, Any]]] = {
    "concatenation": lambda words: {
        "hidden": _unless(words["image_encoder_dim"] + words["text_encoder_dim"], words["fusion_dim"]),
        "activation": "none",
    },
    "coattention": lambda words: {
        "hidden": words.get("coattention_hidden_dim", 256),
        "width": words["fusion_dim"],
        "attention_heads": words.get("coattention_num_heads", 8),
    },
    "bilinear": lambda words: {"hidden": words.get("bilinear_hidden_dim", 256), "width": words["fusion_dim"]},
}
