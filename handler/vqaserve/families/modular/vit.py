"""Vision Transformer (Dosovitskiy et al. 2020) from the transformers library."""

from __future__ import annotations

from typing import Literal

from torch import Tensor

from vqaserve.errors import RecipeError
from vqaserve.families.extras import import_object
from vqaserve.families.modular.base import ImageEncoder, projection
from vqaserve.families.modular.options import AttentionOptions, Pixels, Size


class Vit(ImageEncoder):
    """A ViT whose grid has a cell for every patch, or only the pooled class token."""

    class Options(AttentionOptions):
        """Sizes, by default those of ViT-base; whether to pool; and the width of an optional linear layer after it."""

        name: Literal["vit"] = "vit"
        width: Size = 768
        layers: Size = 12
        attention_heads: Size = 12
        hidden: Size = 3072
        patch: Size = 16
        pooled: bool = True
        projection: Size | None = None

    def __init__(self, options: Options, pixels: Pixels) -> None:
        super().__init__(options, pixels)
        if options.patch > min(pixels.height, pixels.width):
            raise RecipeError(f"vit's patch of {options.patch} does not fit {pixels.width} x {pixels.height} pixels")
        config = import_object("transformers:ViTConfig", "image encoder 'vit'")(
            hidden_size=options.width,
            num_hidden_layers=options.layers,
            num_attention_heads=options.attention_heads,
            intermediate_size=options.hidden,
            patch_size=options.patch,
            image_size=(pixels.height, pixels.width),
        )
        self.vit = import_object("transformers:ViTModel", "image encoder 'vit'")(
            config, add_pooling_layer=options.pooled
        )
        self.projection = projection(options.width, options.projection)
        self.pooled = options.pooled
        self.grid = (1, 1) if options.pooled else (pixels.height // options.patch, pixels.width // options.patch)
        self.channels = options.projection or options.width

    def forward(self, pixels: Tensor) -> Tensor:
        """Map normalised pixels to features [n, cells, channels]."""
        outputs = self.vit(pixel_values=pixels)
        grid = outputs.pooler_output[:, None] if self.pooled else outputs.last_hidden_state[:, 1:]
        features: Tensor = self.projection(grid)
        return features
