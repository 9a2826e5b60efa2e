"""ResNet (He et al. 2015) with the tensor names of torchvision, whose ImageNet weights fit unchanged."""

from __future__ import annotations

from typing import Literal

from torch import Tensor

from vqaserve.families.backbones.resnet import trunk_layers, trunk_maps
from vqaserve.families.modular.base import ImageEncoder, projection
from vqaserve.families.modular.options import GridOptions, Pixels


class ResNet(ImageEncoder):
    """Four groups of residual blocks; the grid has a cell for every 32 x 32 pixels, or is averaged."""

    blocks: tuple[int, int, int, int]
    widen: int
    """Ratio of a block's output channels to its inner channels; 1 means two 3x3 convolutions."""

    def __init__(self, options: ResNet18.Options | ResNet50.Options, pixels: Pixels) -> None:
        super().__init__(options, pixels)
        layers, before = trunk_layers(self.blocks, self.widen)
        for name, layer in layers.items():
            self.add_module(name, layer)
        self.projection = projection(before, options.projection)
        self.pooled = options.pooled
        self.grid = (1, 1) if options.pooled else (-(-pixels.height // 32), -(-pixels.width // 32))
        self.channels = options.projection or before

    def forward(self, pixels: Tensor) -> Tensor:
        """Map normalised pixels to features [n, cells, channels]."""
        maps = trunk_maps(self, pixels)
        grid = maps.flatten(2).transpose(1, 2)  # [n, height / 32 * width / 32, channels]
        features: Tensor = self.projection(grid.mean(1, keepdim=True) if self.pooled else grid)
        return features


class ResNet18(ResNet):
    """18 layers, with blocks of two 3x3 convolutions."""

    blocks = (2, 2, 2, 2)
    widen = 1

    class Options(GridOptions):
        """``GridOptions``; without a projection the features are 512 wide."""

        name: Literal["resnet18"] = "resnet18"


class ResNet50(ResNet):
    """50 layers, with blocks of 1x1, 3x3 (with the stride, as in torchvision) and 1x1 convolutions."""

    blocks = (3, 4, 6, 3)
    widen = 4

    class Options(GridOptions):
        """``GridOptions``; without a projection the features are 2048 wide."""

        name: Literal["resnet50"] = "resnet50"
