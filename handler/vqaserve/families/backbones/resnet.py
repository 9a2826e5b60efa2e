"""ResNet (He et al. 2015) up to its pooling."""

from __future__ import annotations

from torch import Tensor, nn


def trunk_layers(blocks: tuple[int, int, int, int], widen: int) -> tuple[dict[str, nn.Module], int]:
    """Torchvision's layers by name, and the channels of the last one.

    Args:
        blocks: Blocks of each group.
        widen: Ratio of a block's output channels to its inner channels; 1 means two 3x3 convolutions.
    """
    layers: dict[str, nn.Module] = {
        "conv1": nn.Conv2d(3, 64, 7, stride=2, padding=3, bias=False),
        "bn1": nn.BatchNorm2d(64),
        "maxpool": nn.MaxPool2d(3, stride=2, padding=1),
    }
    before = 64
    for group, count in enumerate(blocks):
        middle, made = 64 * 2**group, []
        for index in range(count):
            made.append(_ResidualBlock(before, middle, 2 if index == 0 and group > 0 else 1, widen))
            before = middle * widen
        layers[f"layer{group + 1}"] = nn.Sequential(*made)
    return layers, before


def trunk_maps(network: nn.Module, pixels: Tensor) -> Tensor:
    """The maps of the last of the ``trunk_layers`` that a network holds, with a cell for every 32 x 32 pixels."""
    maps: Tensor = network.get_submodule("bn1")(network.get_submodule("conv1")(pixels)).relu_()
    maps = network.get_submodule("maxpool")(maps)
    for number in range(1, 5):
        maps = network.get_submodule(f"layer{number}")(maps)
    return maps


class _ResidualBlock(nn.Module):
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
