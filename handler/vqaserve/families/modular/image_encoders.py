"""Picture encoders, which map pixels to a grid of feature vectors.

Every encoder maps normalised pixels [n, 3, height, width] to features [n, cells, channels]; one that averages its grid
has a single cell. To add one, write a subclass of ``ImageEncoder`` with an ``Options`` class and add it to
``IMAGE_ENCODERS``.
"""

from __future__ import annotations

from typing import Annotated, Literal, cast

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from vqaserve.errors import RecipeError
from vqaserve.families.backbones.efficientnet_lite import lite_layers
from vqaserve.families.modular.base import ImageEncoder
from vqaserve.families.modular.efficientnet import EfficientNetB0
from vqaserve.families.modular.options import PartOptions, Pixels, Size
from vqaserve.families.modular.resnet import ResNet18, ResNet50
from vqaserve.families.modular.strided_cnn import StridedCnn
from vqaserve.families.modular.vit import Vit


class SmallCnn(ImageEncoder):
    """3x3 convolutions of stride 1, each followed by batch norm, ReLU and 2x2 max pooling."""

    class Options(PartOptions):
        """Output channels of each convolution."""

        name: Literal["small_cnn"] = "small_cnn"
        widths: tuple[Size, ...] = (16, 32, 64, 64)

    def __init__(self, options: Options, pixels: Pixels) -> None:
        super().__init__(options, pixels)
        shrink = 2 ** len(options.widths)
        if shrink > min(pixels.width, pixels.height):
            raise RecipeError(
                f"small_cnn halves a picture {len(options.widths)} times, which is too often for "
                f"{pixels.width} x {pixels.height} pixels; set fewer widths"
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
        self.grid = (pixels.height // shrink, pixels.width // shrink)
        self.channels = before

    def forward(self, pixels: Tensor) -> Tensor:
        """Map normalised pixels to features [n, cells, channels]."""
        grid: Tensor = self.layers(pixels)  # [n, channels, height / 2^k, width / 2^k]
        return grid.flatten(2).transpose(1, 2)


class EfficientNetLite0(ImageEncoder):
    """EfficientNet-lite0 with a linear reduction.

    A cell combines the last feature map with two earlier maps and with the colours, whose details the last map has
    lost.
    """

    class Options(PartOptions):
        """Channels of each cell after the linear reduction from ``EfficientNetLite0.LEVELS``."""

        name: Literal["efficientnet_lite0"] = "efficientnet_lite0"
        channels: Size = 542

    # The last map, the maps after blocks 10 and 4, and the mean and deviation of each colour.
    LEVELS = (1280, 112, 40, 3, 3)

    def __init__(self, options: Options, pixels: Pixels) -> None:
        super().__init__(options, pixels)
        layers, _ = lite_layers()
        self.stem, self.head = layers["stem"], layers["head"]
        self.blocks = cast(nn.Sequential, layers["blocks"])
        self.reduce = nn.Linear(sum(self.LEVELS), options.channels)
        self.grid = (-(-pixels.height // 32), -(-pixels.width // 32))
        self.channels = options.channels

    def forward(self, pixels: Tensor) -> Tensor:
        """Map normalised pixels to features [n, cells, channels]."""
        features: Tensor = self.reduce(self.levels(pixels).to(self.reduce.weight.dtype))
        return features

    def levels(self, pixels: Tensor) -> Tensor:
        """All levels before the reduction, averaged over the cells of the last map [n, cells, sum(LEVELS)]."""
        maps = self.stem(pixels)
        earlier = {}
        for index, block in enumerate(self.blocks):
            maps = block(maps)
            if index in (4, 10):  # the memory of the others is reused
                earlier[index] = maps
        last = self.head(maps)  # [n, 1280, height / 32, width / 32]
        size = (last.shape[2], last.shape[3])
        # In float32 at every precision: a deviation is a small difference, which bfloat16 rounds away.
        pixels = pixels.float()
        fine, finer, colour, square = (
            F.adaptive_avg_pool2d(level.float(), size) for level in (earlier[10], earlier[4], pixels, pixels.square())
        )
        spread = (square - colour.square()).clamp(min=0).sqrt()
        return torch.cat([last.float(), fine, finer, colour, spread], dim=1).flatten(2).transpose(1, 2)


class Blind(ImageEncoder):
    """Ignores the picture, to measure how many questions a model answers without it."""

    class Options(PartOptions):
        """No options."""

        name: Literal["blind"] = "blind"

    def __init__(self, options: Options, pixels: Pixels) -> None:
        super().__init__(options, pixels)
        self.grid, self.channels = (1, 1), 1

    def forward(self, pixels: Tensor) -> Tensor:
        """Return a zero for every picture."""
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
