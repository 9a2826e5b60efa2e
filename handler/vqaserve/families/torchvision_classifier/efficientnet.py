"""EfficientNet (Tan and Le 2019) with the tensor names of torchvision's ``EfficientNet``."""

from __future__ import annotations

import math

from torch import Tensor, nn

_STEM, _LAST = 32, 4
"""Channels of the first convolution, and how many times wider the last one is than the last group."""

_GROUPS = (
    # blocks, kernel, stride of the first block, expansion, output channels; of B0
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)


class EfficientNet(nn.Module):
    """Inverted residual blocks with squeeze-and-excitation, averaged to one vector."""

    def __init__(self, widen: float, deepen: float) -> None:
        """Scale B0.

        Args:
            widen: Factor of the numbers of channels, which are rounded to multiples of 8.
            deepen: Factor of the numbers of blocks, rounded up.
        """
        super().__init__()
        before = _scaled(_STEM, widen)
        stages: list[nn.Module] = [_convolution(3, before, 3, stride=2)]
        for blocks, kernel, stride, expand, channels in _GROUPS:
            after = _scaled(channels, widen)
            group = []
            for index in range(math.ceil(blocks * deepen)):
                group.append(_MobileBlock(before, after, kernel, stride if index == 0 else 1, expand))
                before = after
            stages.append(nn.Sequential(*group))
        self.width = _LAST * before
        self.features = nn.Sequential(*stages, _convolution(before, self.width, 1))

    def forward(self, pixels: Tensor) -> Tensor:
        """Map normalised pixels to features [n, width]."""
        features: Tensor = self.features(pixels).mean((2, 3))
        return features


class _MobileBlock(nn.Module):
    """1x1 expansion, depthwise convolution, squeeze-and-excitation, 1x1 projection without activation."""

    def __init__(self, before: int, after: int, kernel: int, stride: int, expand: int) -> None:
        super().__init__()
        middle = _scaled(before, expand)
        self.block = nn.Sequential(
            *([_convolution(before, middle, 1)] if expand > 1 else []),
            _convolution(middle, middle, kernel, stride, groups=middle),
            _Excite(middle, max(1, before // 4)),
            _convolution(middle, after, 1)[:2],
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
