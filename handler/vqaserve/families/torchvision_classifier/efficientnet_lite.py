"""EfficientNet-lite0, which is not torchvision's: its ImageNet weights come in a package, without a hub."""

from __future__ import annotations

from torch import Tensor, nn

from vqaserve.families.backbones.efficientnet_lite import lite_layers


class EfficientNetLite0(nn.Module):
    """Inverted residual blocks, averaged to one vector."""

    def __init__(self) -> None:
        """Build the ``lite_layers``."""
        super().__init__()
        layers, self.width = lite_layers()
        for name, layer in layers.items():
            self.add_module(name, layer)

    def forward(self, pixels: Tensor) -> Tensor:
        """Map normalised pixels to features [n, width]."""
        maps = pixels
        for layer in self.children():
            maps = layer(maps)
        return maps.mean((2, 3))
