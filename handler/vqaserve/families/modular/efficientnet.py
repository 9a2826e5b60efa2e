"""EfficientNet-B0 (Tan and Le 2019) with the tensor names of torchvision, whose ImageNet weights fit unchanged."""

from __future__ import annotations

from typing import Literal, NamedTuple

from torch import Tensor, nn

from vqaserve.families.modular.base import ImageEncoder, projection
from vqaserve.families.modular.options import GridOptions, Pixels


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


class EfficientNetB0(ImageEncoder):
    """Inverted residual blocks with squeeze-and-excitation; a cell for every 32 x 32 pixels, or their mean."""

    class Options(GridOptions):
        """``GridOptions``; without a projection the features are 1280 wide."""

        name: Literal["efficientnet_b0"] = "efficientnet_b0"

    def __init__(self, options: Options, pixels: Pixels) -> None:
        super().__init__(options, pixels)
        stages: list[nn.Module] = [_convolution(3, 32, 3, stride=2)]
        before = 32
        for group in BLOCK_GROUPS:
            blocks = []
            for index in range(group.blocks):
                blocks.append(_MobileBlock(before, group, group.stride if index == 0 else 1))
                before = group.width
            stages.append(nn.Sequential(*blocks))
        self.features = nn.Sequential(*stages, _convolution(before, 1280, 1))
        self.projection = projection(1280, options.projection)
        self.pooled = options.pooled
        self.grid = (1, 1) if options.pooled else (-(-pixels.height // 32), -(-pixels.width // 32))
        self.channels = options.projection or 1280

    def forward(self, pixels: Tensor) -> Tensor:
        """Map normalised pixels to features [n, cells, channels]."""
        grid = self.features(pixels).flatten(2).transpose(1, 2)  # [n, height / 32 * width / 32, 1280]
        features: Tensor = self.projection(grid.mean(1, keepdim=True) if self.pooled else grid)
        return features


def _convolution(before: int, after: int, kernel: int, stride: int = 1, groups: int = 1) -> nn.Sequential:
    convolution = nn.Conv2d(before, after, kernel, stride, padding=kernel // 2, groups=groups, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(after), nn.SiLU())


class _MobileBlock(nn.Module):
    """1x1 expansion, depthwise convolution, squeeze-and-excitation, 1x1 projection."""

    def __init__(self, before: int, group: BlockGroup, stride: int) -> None:
        super().__init__()
        middle = before * group.expand
        self.block = nn.Sequential(
            *([_convolution(before, middle, 1)] if group.expand > 1 else []),
            _convolution(middle, middle, group.kernel, stride, groups=middle),
            _Excite(middle, before // 4),
            _convolution(middle, group.width, 1)[:2],  # no activation: it would lose information
        )
        self.residual = stride == 1 and before == group.width

    def forward(self, maps: Tensor) -> Tensor:
        inner: Tensor = self.block(maps)
        return maps + inner if self.residual else inner


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
