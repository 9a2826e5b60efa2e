"""Settings that older processors lack, taken from the model's config."""

from __future__ import annotations

from typing import Any


def complete_processor(processor: Any, config: Any) -> None:
    """Set what a processor needs to count a picture's tokens, where its files do not give it.

    Folders saved before transformers 4.48 have ``patch_size`` and ``vision_feature_select_strategy`` in the model's
    config alone.
    """
    vision: Any = getattr(config, "vision_config", None)
    if getattr(processor, "patch_size", 0) is None:
        processor.patch_size = getattr(vision, "patch_size", None)
    if getattr(processor, "vision_feature_select_strategy", "") is None:
        processor.vision_feature_select_strategy = getattr(config, "vision_feature_select_strategy", "default")
        # CLIP's encoder has a class token besides the patches, which the default strategy leaves out again.
        processor.num_additional_image_tokens = int(getattr(vision, "model_type", "").startswith("clip"))
    if hasattr(processor, "image_seq_len") and hasattr(config, "scale_factor"):
        patches = (vision.image_size // vision.patch_size) ** 2
        processor.image_seq_len = patches // config.scale_factor**2
