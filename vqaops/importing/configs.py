"""The chat app's settings of a model, converted to ``config.json``."""

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
"""The settings of a checkpoint's config that describe the architecture, with their types."""

SIDE = 224
"""Side of a picture in pixels, for every encoder except the small CNN."""
_HEAD = 64  # width of an attention head in every published BERT and ViT
_LSTM_TOKENS = 512  # more than any question has within the limits, because the older app did not truncate
_NATIVE = {"resnet18": 512, "resnet50": 2048, "efficientnet_b0": 1280}


def claims_of(config: Mapping[str, Any]) -> Words:
    """Select the settings that describe the architecture.

    Raises:
        RecipeError: A setting has the wrong type.
    """
    claims = {name: config[name] for name in CLAIMS if name in config}
    for name, value in claims.items():
        if type(value) is not CLAIMS[name]:
            raise RecipeError(f"the config's {name} is {value!r:.80}, not {CLAIMS[name].__name__}")
    return {name: value.lower() if isinstance(value, str) else value for name, value in claims.items()}


def to_config(words: Words, older: bool) -> ModularConfig:
    """Convert the app's settings to ``config.json``.

    Args:
        words: The app's settings.
        older: Whether the checkpoint is of the older kind, whose app prepared pictures and questions differently.

    Raises:
        RecipeError: A setting has a value that family ``modular`` does not support.
    """
    image, text, fusion = words["image_encoder_type"], words["text_encoder_type"], words["fusion_type"]
    if image == "cnn":  # a setting of its own names the CNN
        image = words["cnn_model_name"]
    for name, table in ((image, _IMAGE_OPTIONS), (text, _TEXT_OPTIONS), (fusion, _FUSION_OPTIONS)):
        if name not in table:
            raise RecipeError(f"{name!r} cannot be converted; supported are: {', '.join(table)}")
    side = words.get("image_size", SIDE)
    config = {
        # The older app resized with `torchvision.transforms.Resize` (bilinear), the newer with `Image.resize`.
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
        raise RecipeError(f"no such model exists: {describe_faults(ModularConfig, error)}") from None


def _unless(native: int, wanted: int) -> int | None:
    """The width of a projection, which the app adds only where the widths differ."""
    return None if native == wanted else wanted


def _transformer_options(kind: str, words: Words) -> dict[str, Any]:
    """The sizes that BERT and ViT have in common; the defaults are those of the base models."""
    width = words.get(f"{kind}_width", 768)
    encoder = "text" if kind == "bert" else "image"
    return {
        "width": width,
        "layers": words.get(f"{kind}_layers", 12),
        "attention_heads": max(width // _HEAD, 1),
        "hidden": words.get(f"{kind}_hidden", 4 * width),
        "projection": _unless(width, words[f"{encoder}_encoder_dim"]),
    }


def _vit_options(words: Words) -> dict[str, Any]:
    return {**_transformer_options("vit", words), "patch": words.get("vit_patch", 16)}


def _bert_options(words: Words) -> dict[str, Any]:
    return {**_transformer_options("bert", words), "positions": words.get("bert_positions", 512)}


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
