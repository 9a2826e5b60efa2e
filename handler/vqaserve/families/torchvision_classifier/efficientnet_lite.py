"""EfficientNet-lite0, which is not torchvision's: its ImageNet weights come in a package, without a hub."""

from __future__ import annotations

from typing import ClassVar

import torch
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


class EfficientNetLite0Details(nn.Module):
    """The same blocks for surfaces and other pictures whose classes differ in details.

    A mean over the whole picture loses a fault of ten pixels. So the features are the mean, deviation, least and
    greatest value of each channel after two early blocks, and the mean after the last block.
    """

    EARLY: ClassVar[dict[int, int]] = {2: 24, 10: 112}
    """Channels after the two early blocks, by number."""

    def __init__(self) -> None:
        """Build the ``lite_layers`` without the head."""
        super().__init__()
        layers, _ = lite_layers()
        self.stem, self.blocks = layers["stem"], layers["blocks"]
        self.width = 4 * sum(self.EARLY.values()) + 320

    def forward(self, pixels: Tensor) -> Tensor:
        """Map normalised pixels to features [n, width]."""
        maps = self.stem(pixels)
        found: list[Tensor] = []
        for number, block in enumerate(self.blocks.children()):
            maps = block(maps)
            if number in self.EARLY:
                found += _statistics(maps)
        return torch.cat([*found, maps.float().mean((2, 3))], 1).to(maps.dtype)


def _statistics(maps: Tensor) -> tuple[Tensor, ...]:
    """Mean, deviation, least and greatest value of each channel, each [n, channels]; in float32 at every precision."""
    maps = maps.float()
    mean = maps.mean((2, 3))
    deviation = (maps.square().mean((2, 3)) - mean.square()).clamp(min=0).sqrt()
    return mean, deviation, maps.amin((2, 3)), maps.amax((2, 3))
