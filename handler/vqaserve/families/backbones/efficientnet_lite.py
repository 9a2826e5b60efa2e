"""EfficientNet-lite0 (Tan and Le 2019; no squeeze-and-excitation, ReLU6) up to its pooling.

Batch normalisation is folded into the convolutions, because the network is only used for inference.
"""

from __future__ import annotations

from torch import Tensor, nn

from vqaserve.families.backbones.efficientnet import BLOCK_GROUPS
from vqaserve.families.backbones.same_conv2d import SameConv2d

_STEM, _HEAD = 32, 1280
"""Channels of the first convolution and of the last one."""


def lite_layers() -> tuple[dict[str, nn.Module], int]:
    """The ``stem``, ``blocks`` and ``head``, one after the other, and the channels of the last one.

    Together they map pixels to a cell for every 32 x 32 of them.
    """
    blocks: list[nn.Module] = []
    before = _STEM
    for group in BLOCK_GROUPS:
        for index in range(group.blocks):
            stride = group.stride if index == 0 else 1
            blocks.append(_LiteBlock(before, group.width, group.kernel, stride, group.expand))
            before = group.width
    layers = {
        "stem": SameConv2d(3, _STEM, 3, stride=2),
        "blocks": nn.Sequential(*blocks),
        "head": SameConv2d(before, _HEAD),
    }
    return layers, _HEAD


class _LiteBlock(nn.Module):
    """Inverted residual block: 1x1 expansion, depthwise convolution, 1x1 projection."""

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
