"""The convolutions of EfficientNet-lite0, in plain torch and packed for oneDNN."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class SameConv2d(nn.Conv2d):
    """A convolution with TensorFlow's ``SAME`` padding, with which the ImageNet weights were trained.

    Args:
        before: Number of input channels.
        after: Number of output channels.
        kernel: Rows and columns of the kernel.
        stride: Stride in both directions.
        groups: See ``nn.Conv2d``.
        activated: Whether ReLU6 follows.
    """

    def __init__(
        self, before: int, after: int, kernel: int = 1, *, stride: int = 1, groups: int = 1, activated: bool = True
    ) -> None:
        super().__init__(before, after, kernel, stride, groups=groups)
        self.activated = activated

    def forward(self, maps: Tensor, added: Tensor | None = None) -> Tensor:
        """Return maps [n, after, rows / stride, columns / stride], sizes rounded up; ``added`` is added at the end."""
        maps, padding = _padded(maps, self.kernel_size[0], self.stride[0])
        out = F.conv2d(maps, self.weight, self.bias, self.stride, padding, self.dilation, self.groups)
        out = F.relu6(out) if self.activated else out
        return out if added is None else out + added


class PackedSameConv2d(nn.Module):
    """``SameConv2d`` for inference on a CPU, with weights packed for oneDNN, and ReLU6 and addition fused.

    The operators are those that torch's compiler uses for convolutions. oneDNN chooses the weights' layout by the size
    of the maps, so they are packed at the first call; maps of other sizes are computed too, but more slowly.
    """

    def __init__(self, convolution: SameConv2d) -> None:
        super().__init__()
        self._kernel, self._stride = convolution.kernel_size[0], convolution.stride[0]
        self._groups = convolution.groups
        self._activated = convolution.activated
        self._lead = 0
        self.weight: Tensor = convolution.weight.detach()
        self.bias = convolution.bias

    def forward(self, maps: Tensor, added: Tensor | None = None) -> Tensor:
        """See ``SameConv2d``."""
        if not self.weight.is_mkldnn:
            self._pack(maps)
        maps, padding = _padded(maps, self._kernel, self._stride, self._lead)
        where = padding, [self._stride] * 2, [1, 1], self._groups
        given = self.weight, self.bias, *where
        convolve = torch.ops.mkldnn._convolution_pointwise
        out: Tensor
        if added is None or self._activated:
            after = ("hardtanh", [0, 6]) if self._activated else ("none", [])
            out = convolve(maps, *given, *after, "")
            return out if added is None else out + added
        out = convolve.binary(maps, added, *given, "add", 1, None, [], None)
        return out

    def _pack(self, maps: Tensor) -> None:
        """Pack the weights for maps of this size."""
        if _padded(maps, self._kernel, self._stride)[0] is not maps:
            # A leading row and column of zeros make odd padding even. This saves no time, but it saves the 8 MB of a
            # padded copy of the largest maps of `rooms`.
            self.weight, self._lead = F.pad(self.weight, (1, 0, 1, 0)), 1
        maps, padding = _padded(maps, self._kernel, self._stride, self._lead)
        where = padding, [self._stride] * 2, [1, 1], self._groups
        self.weight = torch.ops.mkldnn._reorder_convolution_weight(self.weight, *where, [1, *maps.shape[1:]])


def _padded(maps: Tensor, kernel: int, stride: int, lead: int = 0) -> tuple[Tensor, list[int]]:
    """Return the maps, and the rows and columns of padding that the convolution adds on both sides.

    Odd padding has its extra row and column at the bottom and on the right; only then are the maps copied. ``lead`` is
    the number of zero rows and columns that precede the kernel's own weights.
    """
    rows, columns = (max((-(-side // stride) - 1) * stride + kernel - side, 0) for side in maps.shape[2:])
    top, left, bottom, right = rows // 2 + lead, columns // 2 + lead, -(-rows // 2), -(-columns // 2)
    if (top, left) == (bottom, right):
        return maps, [top, left]
    return F.pad(maps, (left, right, top, bottom)), [0, 0]
