"""EfficientNet-lite0, which is not torchvision's: its ImageNet weights come in a package, without a hub."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

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

    A mean over the whole picture loses a fault of ten pixels. So the features are the mean after the last block, and,
    after an early one, the extremes of each channel, and of its mean and its energy in small windows.
    """

    EARLY: ClassVar[int] = 1
    """The number of the early block, whose maps have a cell for every 4 x 4 pixels."""
    WINDOWS: ClassVar[tuple[int, ...]] = (3, 7)
    """Sides of the windows, in cells."""

    def __init__(self) -> None:
        """Build the ``lite_layers`` without the head."""
        super().__init__()
        layers, _ = lite_layers()
        self.stem, self.blocks = layers["stem"], layers["blocks"]
        self.width = 24 * (3 + 4 * len(self.WINDOWS)) + 320

    def forward(self, pixels: Tensor) -> Tensor:
        """Map normalised pixels to features [n, width]."""
        maps = self.stem(pixels)
        found: list[Tensor] = []
        for number, block in enumerate(self.blocks.children()):
            maps = block(maps)
            if number == self.EARLY:
                found += self._extremes(maps.float())  # a deviation is a small difference, which bfloat16 rounds away
        return torch.cat([*found, maps.float().mean((2, 3))], 1).to(maps.dtype)

    def _extremes(self, maps: Tensor) -> list[Tensor]:
        """Each [n, channels]."""
        centred = maps - maps.mean((2, 3), keepdim=True)
        energy = centred.square()
        found = [maps.amax((2, 3)), maps.amin((2, 3)), energy.mean((2, 3)).sqrt()]
        for window in self.WINDOWS:
            for measured in (centred, energy):
                around = F.avg_pool2d(measured, window, 1)
                found += [around.amax((2, 3)), around.amin((2, 3))]
        return found
