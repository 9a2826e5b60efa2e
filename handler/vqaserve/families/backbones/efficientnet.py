"""EfficientNet (Tan and Le 2019) up to its pooling."""

from __future__ import annotations

import math
from typing import NamedTuple

from torch import Tensor, nn

_STEM, _LAST = 32, 4
"""Channels of the first convolution, and how many times wider the last one is than the last group."""


class BlockGroup(NamedTuple):
    """A group of equal blocks: their number, kernel, stride of the first block, expansion and output channels."""

    blocks: int
    kernel: int
    stride: int
    expand: int
    width: int


BLOCK_GROUPS = (
    BlockGroup(1, 3, 1, 1, 16),
    BlockGroup(2, 3, 2, 6, 24),
    BlockGroup(2, 5, 2, 6, 40),
    BlockGroup(3, 3, 2, 6, 80),
    BlockGroup(3, 5, 1, 6, 112),
    BlockGroup(4, 5, 2, 6, 192),
    BlockGroup(1, 3, 1, 6, 320),
)
"""The groups of B0 and of lite0, which differ inside the blocks."""


def feature_layers(widen: float = 1.0, deepen: float = 1.0) -> tuple[nn.Sequential, int]:
    """Torchvision's ``features``, which map pixels to a cell for every 32 x 32 of them, and the channels of a cell.

    Args:
        widen: Factor of B0's numbers of channels, which are rounded to multiples of 8.
        deepen: Factor of B0's numbers of blocks, rounded up.
    """
    before = _scaled(_STEM, widen)
    stages: list[nn.Module] = [_convolution(3, before, 3, stride=2)]
    for group in BLOCK_GROUPS:
        after = _scaled(group.width, widen)
        blocks = []
        for index in range(math.ceil(group.blocks * deepen)):
            stride = group.stride if index == 0 else 1
            blocks.append(_MobileBlock(before, after, group.kernel, stride, group.expand))
            before = after
        stages.append(nn.Sequential(*blocks))
    channels = _LAST * before
    return nn.Sequential(*stages, _convolution(before, channels, 1)), channels


class _MobileBlock(nn.Module):
    """1x1 expansion, depthwise convolution, squeeze-and-excitation, 1x1 projection."""

    def __init__(self, before: int, after: int, kernel: int, stride: int, expand: int) -> None:
        super().__init__()
        middle = _scaled(before, expand)
        self.block = nn.Sequential(
            *([_convolution(before, middle, 1)] if expand > 1 else []),
            _convolution(middle, middle, kernel, stride, groups=middle),
            _Excite(middle, max(1, before // 4)),
            _convolution(middle, after, 1)[:2],  # no activation: it would lose information
        )
        self.residual = stride == 1 and before == after

    def forward(self, maps: Tensor) -> Tensor:
        inner: Tensor = self.block(maps)
        return inner.add_(maps) if self.residual else inner


class _Excite(nn.Module):
    """Squeeze-and-excitation: the means of all channels give each channel a weight."""

    def __init__(self, channels: int, squeezed: int) -> None:
        super().__init__()
        self.fc1 = nn.Conv2d(channels, squeezed, 1)
        self.fc2 = nn.Conv2d(squeezed, channels, 1)
        self.activation = nn.SiLU()

    def forward(self, maps: Tensor) -> Tensor:
        weights = self.fc2(self.activation(self.fc1(maps.mean((2, 3), keepdim=True)))).sigmoid()
        scaled: Tensor = weights * maps
        return scaled


def _convolution(before: int, after: int, kernel: int, stride: int = 1, groups: int = 1) -> nn.Sequential:
    convolution = nn.Conv2d(before, after, kernel, stride, padding=kernel // 2, groups=groups, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(after), nn.SiLU(inplace=True))


def _scaled(channels: int, factor: float) -> int:
    """The nearest multiple of 8 that is not below nine tenths of the product, as in torchvision."""
    product = channels * factor
    rounded = max(8, int(product + 4) // 8 * 8)
    return rounded + 8 if rounded < 0.9 * product else rounded
