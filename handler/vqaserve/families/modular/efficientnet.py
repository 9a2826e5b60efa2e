"""EfficientNet-B0 (Tan and Le 2019) with the tensor names of torchvision, whose ImageNet weights fit unchanged."""

from __future__ import annotations

from typing import Literal

from torch import Tensor

from vqaserve.families.backbones.efficientnet import feature_layers
from vqaserve.families.modular.base import ImageEncoder, projection
from vqaserve.families.modular.options import GridOptions, Pixels


class EfficientNetB0(ImageEncoder):
    """Inverted residual blocks with squeeze-and-excitation; a cell for every 32 x 32 pixels, or their mean."""

    class Options(GridOptions):
        """``GridOptions``; without a projection the features are 1280 wide."""

        name: Literal["efficientnet_b0"] = "efficientnet_b0"

    def __init__(self, options: Options, pixels: Pixels) -> None:
        super().__init__(options, pixels)
        self.features, channels = feature_layers()
        self.projection = projection(channels, options.projection)
        self.pooled = options.pooled
        self.grid = (1, 1) if options.pooled else (-(-pixels.height // 32), -(-pixels.width // 32))
        self.channels = options.projection or channels

    def forward(self, pixels: Tensor) -> Tensor:
        """Map normalised pixels to features [n, cells, channels]."""
        grid = self.features(pixels).flatten(2).transpose(1, 2)  # [n, height / 32 * width / 32, 1280]
        features: Tensor = self.projection(grid.mean(1, keepdim=True) if self.pooled else grid)
        return features
