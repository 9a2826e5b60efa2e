"""ResNet (He et al. 2015) with the tensor names of torchvision's ``ResNet``."""

from __future__ import annotations

from torch import Tensor, nn

from vqaserve.families.backbones.resnet import trunk_layers, trunk_maps


class ResNet(nn.Module):
    """Four groups of residual blocks, averaged to one vector."""

    def __init__(self, blocks: tuple[int, int, int, int], widen: int) -> None:
        """Build the ``trunk_layers``."""
        super().__init__()
        layers, self.width = trunk_layers(blocks, widen)
        for name, layer in layers.items():
            self.add_module(name, layer)

    def forward(self, pixels: Tensor) -> Tensor:
        """Map normalised pixels to features [n, width]."""
        return trunk_maps(self, pixels).mean((2, 3))
