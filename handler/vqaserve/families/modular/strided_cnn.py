"""A very small picture encoder that preserves positions, for pictures of about 64 x 64 pixels."""

from __future__ import annotations

from typing import Literal

from torch import Tensor, nn

from vqaserve.errors import RecipeError
from vqaserve.families.modular.base import ImageEncoder, projection
from vqaserve.families.modular.options import PartOptions, Pixels, Size


class StridedCnn(ImageEncoder):
    """3x3 convolutions of stride 2, each followed by ReLU and 2x2 max pooling; the last grid is flattened."""

    class Options(PartOptions):
        """Output channels of each convolution, and the width of an optional linear layer at the end."""

        name: Literal["strided_cnn"] = "strided_cnn"
        widths: tuple[Size, ...] = (16, 32)
        projection: Size | None = None

    def __init__(self, options: Options, pixels: Pixels) -> None:
        super().__init__(options, pixels)
        layers: list[nn.Module] = []
        before, height, width = 3, pixels.height, pixels.width
        for after in options.widths:
            layers += [nn.Conv2d(before, after, 3, stride=2, padding=1), nn.ReLU(), nn.MaxPool2d(2)]
            before, height, width = after, -(-height // 2) // 2, -(-width // 2) // 2
        if not height * width:
            raise RecipeError(
                f"strided_cnn shrinks a picture by four {len(options.widths)} times, which is too often for "
                f"{pixels.width} x {pixels.height} pixels; set fewer widths"
            )
        self.layers = nn.Sequential(*layers)
        self.projection = projection(before * height * width, options.projection)
        self.grid = (1, 1)
        self.channels = options.projection or before * height * width

    def forward(self, pixels: Tensor) -> Tensor:
        """Map normalised pixels to features [n, 1, channels]."""
        features: Tensor = self.projection(self.layers(pixels).flatten(1))
        return features[:, None]
