"""EfficientNet-lite0 (Tan and Le 2019; no squeeze-and-excitation, ReLU6) up to its pooling.

Batch normalisation is folded into the convolutions, because the network is only used for inference.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from vqaserve.families.backbones.efficientnet import BLOCK_GROUPS
from vqaserve.families.backbones.same_conv2d import PackedSameConv2d, SameConv2d

_STEM, _HEAD = 32, 1280
"""Channels of the first convolution and of the last one."""

_LARGEST = 6_000_000
"""Bytes of a picture's inner maps in a block that are computed at once."""
_CHANNELS = 8  # in a part at least: as many fp32 numbers as AVX2 computes at once


def lite_layers() -> tuple[dict[str, nn.Module], int]:
    """The ``stem``, ``blocks`` and ``head``, one after the other, and the channels of the last one.

    Together they map pixels to a cell for every 32 x 32 of them.
    """
    blocks: list[nn.Module] = []
    before = _STEM
    for group in BLOCK_GROUPS:
        for index in range(group.blocks):
            stride = group.stride if index == 0 else 1
            blocks.append(LiteBlock(before, group.width, group.kernel, stride, group.expand))
            before = group.width
    layers = {
        "stem": SameConv2d(3, _STEM, 3, stride=2),
        "blocks": nn.Sequential(*blocks),
        "head": SameConv2d(before, _HEAD),
    }
    return layers, _HEAD


class LiteBlock(nn.Module):
    """Inverted residual block: 1x1 expansion, depthwise convolution, 1x1 projection."""

    def __init__(self, before: int, after: int, kernel: int, stride: int, expand: int) -> None:
        super().__init__()
        middle = before * expand
        self.expand = SameConv2d(before, middle) if expand > 1 else None
        self.depthwise = SameConv2d(middle, middle, kernel, stride=stride, groups=middle)
        self.project = SameConv2d(middle, after, activated=False)
        self.residual = stride == 1 and before == after

    def forward(self, maps: Tensor) -> Tensor:
        """Map [n, before, rows, columns] to [n, after, rows / stride, columns / stride]."""
        inner = maps if self.expand is None else self.expand(maps)
        out: Tensor = self.project(self.depthwise(inner), maps if self.residual else None)
        return out


class PackedLiteBlock(nn.Module):
    """``LiteBlock`` for inference on a CPU, with packed weights; it computes large inner maps some channels at a time.

    Neither the expansion nor the depthwise convolution mixes inner channels, so the numbers are the same. The largest
    maps of `rooms` have 16 MB. How many channels go together depends on the maps, and is decided at the first call.
    """

    def __init__(self, block: LiteBlock) -> None:
        super().__init__()
        self._block = [block]  # in a list, so that its weights are not this module's
        self.parts = nn.ModuleList()
        self.project = PackedSameConv2d(block.project)
        self._residual = block.residual

    def forward(self, maps: Tensor) -> Tensor:
        """See ``LiteBlock``."""
        if self._block:
            self._divide(maps, self._block.pop())
        inner = [part(maps) for part in self.parts]
        mixed = inner[0] if len(inner) == 1 else torch.cat(inner, 1)
        out: Tensor = self.project(mixed, maps if self._residual else None)
        return out

    def _divide(self, maps: Tensor, block: LiteBlock) -> None:
        """Pack the block's first two convolutions in parts of equal width, as few as suffice."""
        middle, (rows, columns) = block.depthwise.out_channels, maps.shape[2:]
        size = middle * rows * columns * maps.element_size()
        counts = [1, *(count for count in range(2, middle // _CHANNELS + 1) if middle % (count * _CHANNELS) == 0)]
        count = next((count for count in counts if size <= count * _LARGEST), counts[-1]) if block.expand else 1
        for channels in torch.arange(middle).chunk(count):
            layers = [part for part in (block.expand, block.depthwise) if part is not None]
            self.parts.append(nn.Sequential(*(PackedSameConv2d(_some(layer, channels)) for layer in layers)))


def _some(layer: SameConv2d, channels: Tensor) -> SameConv2d:
    """The layer with only some of its output channels; a depthwise one with the same input channels."""
    if len(channels) == layer.out_channels:
        return layer
    depthwise, [kernel, _], [stride, _] = layer.groups > 1, layer.kernel_size, layer.stride
    before, groups = (len(channels), len(channels)) if depthwise else (layer.in_channels, 1)
    some = SameConv2d(before, len(channels), kernel, stride=stride, groups=groups, activated=layer.activated)
    some.weight = nn.Parameter(layer.weight[channels], requires_grad=False)
    assert layer.bias is not None
    some.bias = nn.Parameter(layer.bias[channels], requires_grad=False)
    return some
