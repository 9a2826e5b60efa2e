"""The models of ``AutoModelForImageClassification``, each in its smallest form, with its kind of preprocessing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
import transformers
from transformers import AutoConfig, AutoModelForImageClassification

LABELS = ["pizza", "steak", "sushi"]

BLOCKS: dict[str, Any] = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 64,
    "image_size": 32,
    "patch_size": 8,
}
SQUARE: dict[str, Any] = {"height": 32, "width": 32}
SHORT = {"shortest_edge": 32}
CROPPED: dict[str, Any] = {"size": SHORT, "crop_size": SQUARE}
WINDOWS: dict[str, Any] = {
    "embed_dim": 16,
    "depths": [1, 1],
    "num_heads": [2, 2],
    "image_size": 32,
    "patch_size": 4,
    "window_size": 4,
}
STAGES: dict[str, Any] = {"num_stages": 2, "hidden_sizes": [8, 16], "depths": [1, 1]}
CONV: dict[str, Any] = {"size": {"shortest_edge": 32}, "crop_pct": 0.875}
TEXT: dict[str, Any] = {
    "hidden_size": 32,
    "num_hidden_layers": 1,
    "num_attention_heads": 4,
    "intermediate_size": 32,
    "vocab_size": 50,
}
PYRAMID: dict[str, Any] = {
    "num_encoder_blocks": 2,
    "depths": [1, 1],
    "sr_ratios": [2, 1],
    "hidden_sizes": [8, 16],
    "patch_sizes": [7, 3],
    "strides": [4, 2],
    "num_attention_heads": [1, 2],
    "mlp_ratios": [2, 2],
}

MODELS: dict[str, tuple[dict[str, Any], str, dict[str, Any]]] = {
    "beit": (BLOCKS, "BeitImageProcessor", {"size": SQUARE, "do_center_crop": False}),
    "bit": (
        {"embedding_size": 8, "hidden_sizes": [8, 16], "depths": [1, 1], "num_groups": 2},
        "BitImageProcessor",
        CROPPED,
    ),
    "clip": ({"vision_config": BLOCKS, "text_config": TEXT}, "CLIPImageProcessor", CROPPED),
    "convnext": (STAGES, "ConvNextImageProcessor", CONV),
    "convnextv2": (STAGES, "ConvNextImageProcessor", CONV),
    "data2vec-vision": (BLOCKS, "BeitImageProcessor", {"size": SQUARE, "do_center_crop": False}),
    "deit": (
        {**BLOCKS, "architectures": ["DeiTForImageClassification"]},
        "DeiTImageProcessor",
        {"size": {"height": 36, "width": 36}, "crop_size": SQUARE},
    ),
    "dinov2": (BLOCKS, "BitImageProcessor", CROPPED),
    "dinov2_with_registers": (BLOCKS, "BitImageProcessor", CROPPED),
    "donut-swin": (WINDOWS, "ViTImageProcessor", {"size": SQUARE}),
    "efficientnet": (
        {"image_size": 32, "width_coefficient": 0.2, "depth_coefficient": 0.2, "hidden_dim": 256},
        "EfficientNetImageProcessor",
        {"size": SQUARE, "crop_size": SQUARE},
    ),
    "focalnet": (
        {"embed_dim": 8, "depths": [1, 1], "focal_levels": [1, 1], "focal_windows": [3, 3], "image_size": 32},
        "BitImageProcessor",
        CROPPED,
    ),
    "hiera": (
        {
            "embed_dim": 8,
            "image_size": [32, 32],
            "depths": [1, 1],
            "num_heads": [1, 2],
            "patch_stride": [4, 4],
            "masked_unit_size": [4, 4],
            "query_stride": [2, 2],
            "num_query_pool": 1,
        },
        "BitImageProcessor",
        CROPPED,
    ),
    "ijepa": (BLOCKS, "ViTImageProcessor", {"size": SQUARE}),
    "imagegpt": (
        {"n_positions": 64, "n_embd": 32, "n_layer": 1, "n_head": 2, "vocab_size": 17},
        "ImageGPTImageProcessor",
        {"size": {"height": 8, "width": 8}, "clusters": [[i / 8 - 1] * 3 for i in range(16)]},
    ),
    "levit": (
        {
            "architectures": ["LevitForImageClassification"],
            "image_size": 32,
            "hidden_sizes": [16, 24, 32],
            "num_attention_heads": [2, 2, 2],
            "depths": [1, 1, 1],
            "key_dim": [4, 4, 4],
        },
        "LevitImageProcessor",
        CROPPED,
    ),
    "metaclip_2": ({"vision_config": BLOCKS, "text_config": TEXT}, "CLIPImageProcessor", CROPPED),
    "mobilenet_v1": ({"depth_multiplier": 0.1, "image_size": 32}, "MobileNetV1ImageProcessor", CROPPED),
    "mobilenet_v2": ({"depth_multiplier": 0.1, "image_size": 32}, "MobileNetV2ImageProcessor", CROPPED),
    "mobilevit": (
        {"hidden_sizes": [16, 16, 16], "neck_hidden_sizes": [8, 8, 8, 16, 16, 16, 32], "image_size": 64},
        "MobileViTImageProcessor",
        {"size": {"shortest_edge": 64}, "crop_size": {"height": 64, "width": 64}},
    ),
    "mobilevitv2": (
        {"width_multiplier": 0.1, "image_size": 64},
        "MobileViTImageProcessor",
        {"size": {"shortest_edge": 64}, "crop_size": {"height": 64, "width": 64}},
    ),
    "perceiver": (
        {
            "architectures": ["PerceiverForImageClassificationLearned"],
            "num_latents": 4,
            "d_latents": 32,
            "d_model": 64,
            "num_blocks": 1,
            "num_self_attends_per_block": 1,
            "num_self_attention_heads": 2,
            "num_cross_attention_heads": 2,
            "image_size": 32,
        },
        "PerceiverImageProcessor",
        {"size": SQUARE, "crop_size": SQUARE},
    ),
    "poolformer": (
        {
            "hidden_sizes": [8, 16],
            "depths": [1, 1],
            "patch_sizes": [7, 3],
            "strides": [4, 2],
            "padding": [2, 1],
            "num_encoder_blocks": 2,
        },
        "PoolFormerImageProcessor",
        CROPPED,
    ),
    "pvt": (
        {
            "num_labels": 3,
            "image_size": 32,
            "num_encoder_blocks": 2,
            "depths": [1, 1],
            "sequence_reduction_ratios": [2, 1],
            "hidden_sizes": [8, 16],
            "patch_sizes": [4, 2],
            "strides": [4, 2],
            "num_attention_heads": [1, 2],
            "mlp_ratios": [2, 2],
        },
        "PvtImageProcessor",
        {"size": SQUARE},
    ),
    "pvt_v2": ({**PYRAMID, "image_size": 32}, "PvtImageProcessor", {"size": SQUARE}),
    "regnet": (
        {"embedding_size": 8, "hidden_sizes": [8, 16], "depths": [1, 1], "groups_width": 4},
        "ConvNextImageProcessor",
        CONV,
    ),
    "resnet": ({"embedding_size": 8, "hidden_sizes": [8, 16], "depths": [1, 1]}, "ConvNextImageProcessor", CONV),
    "segformer": (PYRAMID, "SegformerImageProcessor", {"size": SQUARE}),
    "siglip": ({"vision_config": BLOCKS, "text_config": TEXT}, "SiglipImageProcessor", {"size": SQUARE}),
    "siglip2": (
        {"vision_config": {**BLOCKS, "num_patches": 16}, "text_config": TEXT},
        "Siglip2ImageProcessor",
        {"patch_size": 8, "max_num_patches": 16},
    ),
    "swiftformer": (
        {"image_size": 64, "depths": [1, 1, 1, 1], "embed_dims": [8, 16, 16, 16], "mlp_ratio": 2},
        "ViTImageProcessor",
        {"size": {"height": 64, "width": 64}},
    ),
    "swin": (WINDOWS, "ViTImageProcessor", {"size": SQUARE}),
    "swinv2": (WINDOWS, "ViTImageProcessor", {"size": SQUARE}),
    "textnet": (
        {
            "conv_layer_kernel_sizes": [[[3, 3]]] * 4,
            "conv_layer_strides": [[2]] * 4,
            "hidden_sizes": [8] * 5,
            "stem_out_channels": 8,
        },
        "TextNetImageProcessor",
        {"size": {"shortest_edge": 64}, "crop_size": {"height": 64, "width": 64}},
    ),
    "vit": (BLOCKS, "ViTImageProcessor", {"size": SQUARE}),
    "vit_msn": (BLOCKS, "ViTImageProcessor", {"size": SQUARE}),
}
"""By ``model_type``: settings of the config, the image processor's name and its settings."""


def make(model_type: str, weights: Path) -> None:
    """Write the model, with weights large enough for scores that differ."""
    settings, processor, its_settings = MODELS[model_type]
    torch.manual_seed(0)
    names = dict(enumerate(LABELS))
    config = AutoConfig.for_model(
        model_type, **settings, id2label=names, label2id={name: n for n, name in names.items()}
    )
    if config.architectures:  # of several classes
        model = getattr(transformers, config.architectures[0])(config)
    else:
        model = AutoModelForImageClassification.from_config(config)
    with torch.no_grad():
        for weight in model.parameters():
            weight.add_(torch.randn_like(weight) * 0.1)
    model.save_pretrained(weights)
    found = {"image_processor_type": processor, **its_settings}
    (weights / "preprocessor_config.json").write_text(json.dumps(found), encoding="utf-8")
