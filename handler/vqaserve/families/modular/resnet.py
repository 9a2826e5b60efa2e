"""ResNet (He et al. 2015) with the tensor names of torchvision, whose ImageNet weights fit unchanged."""

from __future__ import annotations

from typing import Literal

from torch import Tensor, nn

from vqaserve.families.modular.base import ImageEncoder, projection
from vqaserve.families.modular.options import GridOptions, Pixels


class ResNet(ImageEncoder):
    """Four groups of residual blocks; the grid has a cell for every 32 x 32 pixels, or is averaged."""

    blocks: tuple[int, int, int, int]
    widen: int
    """Ratio of a block's output channels to its inner channels; 1 means two 3x3 convolutions."""

    def __init__(self, options: ResNet18.Options | ResNet50.Options, pixels: Pixels) -> None:
        super().__init__(options, pixels)
        self.conv1 = nn.Conv2d(3, 64, 7, stride=2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.maxpool = nn.MaxPool2d(3, stride=2, padding=1)
        before = 64
        for group, count in enumerate(self.blocks):
            middle = 64 * 2**group
            blocks = []
            for index in range(count):
                stride = 2 if index == 0 and group > 0 else 1
                blocks.append(_ResidualBlock(before, middle, stride, self.widen))
                before = middle * self.widen
            self.add_module(f"layer{group + 1}", nn.Sequential(*blocks))
        self.projection = projection(before, options.projection)
        self.pooled = options.pooled
        self.grid = (1, 1) if options.pooled else (-(-pixels.height // 32), -(-pixels.width // 32))
        self.channels = options.projection or before

    def forward(self, pixels: Tensor) -> Tensor:
        """Map normalised pixels to features [n, cells, channels]."""
        maps = self.maxpool(self.bn1(self.conv1(pixels)).relu())
        for group in range(4):
            maps = self.get_submodule(f"layer{group + 1}")(maps)
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


class _ResidualBlock(nn.Module):
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
            inner = inner.relu() if number < self.depth else inner
        out: Tensor = inner + (maps if self.downsample is None else self.downsample(maps))
        return out.relu()
