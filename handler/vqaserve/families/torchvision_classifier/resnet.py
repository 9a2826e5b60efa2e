"""ResNet (He et al. 2015) with the tensor names of torchvision's ``ResNet``."""

from __future__ import annotations

from torch import Tensor, nn


class ResNet(nn.Module):
    """Four groups of residual blocks, averaged to one vector."""

    def __init__(self, blocks: tuple[int, int, int, int], widen: int) -> None:
        """Build the layers.

        Args:
            blocks: Blocks of each group.
            widen: Ratio of a block's output channels to its inner channels; 1 means two 3x3 convolutions.
        """
        super().__init__()
        self.conv1 = nn.Conv2d(3, 64, 7, stride=2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.maxpool = nn.MaxPool2d(3, stride=2, padding=1)
        before = 64
        for number, count in enumerate(blocks):
            group = []
            for index in range(count):
                group.append(_Block(before, 64 * 2**number, 2 if index == 0 and number > 0 else 1, widen))
                before = 64 * 2**number * widen
            self.add_module(f"layer{number + 1}", nn.Sequential(*group))
        self.width = before

    def forward(self, pixels: Tensor) -> Tensor:
        """Map normalised pixels to features [n, width]."""
        maps = self.maxpool(self.bn1(self.conv1(pixels)).relu_())
        for number in range(1, 5):
            maps = self.get_submodule(f"layer{number}")(maps)
        features: Tensor = maps.mean((2, 3))
        return features


class _Block(nn.Module):
    """Two 3x3 convolutions, or 1x1, 3x3 (with the stride, as in torchvision) and 1x1."""

    def __init__(self, before: int, middle: int, stride: int, widen: int) -> None:
        super().__init__()
        after = middle * widen
        # Output channels, kernel and stride of each convolution.
        layers = (
            [(middle, 3, stride), (after, 3, 1)] if widen == 1 else [(middle, 1, 1), (middle, 3, stride), (after, 1, 1)]
        )
        self.depth = len(layers)
        width = before
        for number, (out, kernel, step) in enumerate(layers, start=1):
            self.add_module(f"conv{number}", nn.Conv2d(width, out, kernel, step, padding=kernel // 2, bias=False))
            self.add_module(f"bn{number}", nn.BatchNorm2d(out))
            width = out
        shortcut = nn.Sequential(nn.Conv2d(before, after, 1, stride, bias=False), nn.BatchNorm2d(after))
        self.downsample = shortcut if stride > 1 or before != after else None

    def forward(self, maps: Tensor) -> Tensor:
        inner = maps
        for number in range(1, self.depth + 1):
            inner = self.get_submodule(f"bn{number}")(self.get_submodule(f"conv{number}")(inner))
            inner = inner.relu_() if number < self.depth else inner
        out: Tensor = inner + (maps if self.downsample is None else self.downsample(maps))
        return out.relu_()
