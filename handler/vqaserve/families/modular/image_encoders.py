"""Picture encoders: pixels in, a grid of feature vectors out.

Every encoder maps normalised pixels [n, 3, height, width] to features [n, cells, channels]; one that pools
its grid away has a single cell. To add one, write a class with an ``Options`` and add it to the table.
"""

from __future__ import annotations

from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from vqaserve.errors import RecipeError
from vqaserve.families.modular.base import ImageEncoder
from vqaserve.families.modular.efficientnet import BLOCK_GROUPS, EfficientNetB0
from vqaserve.families.modular.options import PartOptions, Pixels, Size
from vqaserve.families.modular.resnet import ResNet18, ResNet50
from vqaserve.families.modular.same_conv2d import SameConv2d
from vqaserve.families.modular.strided_cnn import StridedCnn
from vqaserve.families.modular.vit import Vit


class SmallCnn(ImageEncoder):
    """Stride-1 convolutions, each followed by batch norm, ReLU and a 2x2 max-pool."""

    class Options(PartOptions):
        """Output channels of each convolution."""

        name: Literal["small_cnn"] = "small_cnn"
        widths: tuple[Size, ...] = (16, 32, 64, 64)

    def __init__(self, options: Options, pixels: Pixels) -> None:
        super().__init__(options, pixels)
        shrink = 2 ** len(options.widths)
        if shrink > min(pixels.width, pixels.height):
            raise RecipeError(
                f"small_cnn halves a picture {len(options.widths)} times, which leaves nothing of "
                f"{pixels.width} x {pixels.height} pixels; name fewer widths"
            )
        layers: list[nn.Module] = []
        before = 3
        for width in options.widths:
            layers += [
                nn.Conv2d(before, width, 3, padding=1, bias=False),
                nn.BatchNorm2d(width),
                nn.ReLU(),
                nn.MaxPool2d(2),
            ]
            before = width
        self.layers = nn.Sequential(*layers)
        self.cells = (pixels.height // shrink) * (pixels.width // shrink)
        self.channels = before

    def forward(self, pixels: Tensor) -> Tensor:
        """Normalised pixels to features [n, cells, channels]."""
        grid: Tensor = self.layers(pixels)  # [n, channels, height / 2^k, width / 2^k]
        return grid.flatten(2).transpose(1, 2)


class EfficientNetLite0(ImageEncoder):
    """EfficientNet-lite0 (Tan and Le 2019; no squeeze-and-excitation, ReLU6) and a linear reduction.

    A cell sees the last feature map, and also what that has forgotten: two earlier maps and the plain colours.
    Batch norm is folded into the convolutions, since a served model only ever runs in evaluation.
    """

    class Options(PartOptions):
        """Channels of each cell after the linear reduction from ``EfficientNetLite0.LEVELS``."""

        name: Literal["efficientnet_lite0"] = "efficientnet_lite0"
        channels: Size = 542

    # Last map, the maps after blocks 10 and 4, mean and spread of each colour.
    LEVELS = (1280, 112, 40, 3, 3)

    def __init__(self, options: Options, pixels: Pixels) -> None:
        super().__init__(options, pixels)
        self.stem = SameConv2d(3, 32, 3, stride=2)
        blocks = []
        before = 32
        for group in BLOCK_GROUPS:
            for index in range(group.blocks):
                stride = group.stride if index == 0 else 1
                blocks.append(_LiteBlock(before, group.width, group.kernel, stride, group.expand))
                before = group.width
        self.blocks = nn.Sequential(*blocks)
        self.head = SameConv2d(before, 1280)
        self.reduce = nn.Linear(sum(self.LEVELS), options.channels)
        self.cells = -(-pixels.height // 32) * -(-pixels.width // 32)
        self.channels = options.channels

    def forward(self, pixels: Tensor) -> Tensor:
        """Normalised pixels to features [n, cells, channels]."""
        features: Tensor = self.reduce(self.grid(pixels).to(self.reduce.weight.dtype))
        return features

    def grid(self, pixels: Tensor) -> Tensor:
        """All levels, averaged onto the cells of the last map [n, cells, sum(LEVELS)], before the reduction."""
        maps = self.stem(pixels)
        earlier = {}
        for index, block in enumerate(self.blocks):
            maps = block(maps)
            if index in (4, 10):  # the others' memory is used again
                earlier[index] = maps
        last = self.head(maps)  # [n, 1280, height / 32, width / 32]
        size = (last.shape[2], last.shape[3])
        # In float32 whatever the convolutions compute in: bfloat16 leaves nothing of a spread, a small difference.
        pixels = pixels.float()
        fine, finer, colour, square = (
            F.adaptive_avg_pool2d(level.float(), size) for level in (earlier[10], earlier[4], pixels, pixels.square())
        )
        spread = (square - colour.square()).clamp(min=0).sqrt()
        return torch.cat([last.float(), fine, finer, colour, spread], dim=1).flatten(2).transpose(1, 2)


class _LiteBlock(nn.Module):
    """Inverted residual: widen 1x1, depthwise, narrow 1x1."""

    def __init__(self, before: int, after: int, kernel: int, stride: int, expand: int) -> None:
        super().__init__()
        middle = before * expand
        self.expand = SameConv2d(before, middle) if expand > 1 else None
        self.depthwise = SameConv2d(middle, middle, kernel, stride=stride, groups=middle)
        self.project = SameConv2d(middle, after, activated=False)
        self.residual = stride == 1 and before == after

    def forward(self, maps: Tensor) -> Tensor:
        inner = maps if self.expand is None else self.expand(maps)
        out: Tensor = self.project(self.depthwise(inner), maps if self.residual else None)
        return out


class Blind(ImageEncoder):
    """Sees nothing: with it a model shows how far the questions alone lead."""

    class Options(PartOptions):
        """Nothing to choose."""

        name: Literal["blind"] = "blind"

    def __init__(self, options: Options, pixels: Pixels) -> None:
        super().__init__(options, pixels)
        self.cells = self.channels = 1

    def forward(self, pixels: Tensor) -> Tensor:
        """The same nothing for every picture."""
        return pixels.new_zeros(len(pixels), 1, 1)


IMAGE_ENCODERS: dict[str, type[ImageEncoder]] = {
    "small_cnn": SmallCnn,
    "strided_cnn": StridedCnn,
    "resnet18": ResNet18,
    "resnet50": ResNet50,
    "efficientnet_b0": EfficientNetB0,
    "efficientnet_lite0": EfficientNetLite0,
    "vit": Vit,
    "blind": Blind,
}
ImageEncoderOptions = Annotated[
    SmallCnn.Options
    | StridedCnn.Options
    | ResNet18.Options
    | ResNet50.Options
    | EfficientNetB0.Options
    | EfficientNetLite0.Options
    | Vit.Options
    | Blind.Options,
    Field(discriminator="name"),
]
