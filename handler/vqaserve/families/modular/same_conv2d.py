"""The convolutions of EfficientNet-lite0: as torch computes them, and with what follows in the same pass of oneDNN."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class SameConv2d(nn.Conv2d):
    """A convolution padded as TensorFlow's ``SAME``, with which the ImageNet weights were trained.

    Args:
        before: Channels of the maps that come in.
        after: Of those that go out.
        kernel: Rows and columns of each filter.
        stride: One output for so many rows and columns.
        groups: As of ``nn.Conv2d``.
        activated: ReLU6 comes after it.
    """

    def __init__(
        self, before: int, after: int, kernel: int = 1, *, stride: int = 1, groups: int = 1, activated: bool = True
    ) -> None:
        super().__init__(before, after, kernel, stride, groups=groups)
        self.activated = activated

    def forward(self, maps: Tensor, added: Tensor | None = None) -> Tensor:
        """Maps [n, after, rows / stride, columns / stride], rounded up; ``added`` is summed onto them in the end."""
        maps, padding = _padded(maps, self.kernel_size[0], self.stride[0])
        out = F.conv2d(maps, self.weight, self.bias, self.stride, padding, self.dilation, self.groups)
        out = F.relu6(out) if self.activated else out
        return out if added is None else out + added


class PackedSameConv2d(nn.Module):
    """The same for inference on a CPU: weights laid out for oneDNN once, ReLU6 and sum while a value is at hand.

    The operators are those that torch's own compiler puts in place of convolutions. oneDNN chooses the layout by the
    size of the maps, so it is made when the first come; other sizes are computed too, only slower.
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
        """As ``SameConv2d``."""
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
        """Lay the weights out for maps of this size."""
        if _padded(maps, self._kernel, self._stride)[0] is not maps:
            # A leading row and column of zeros make odd padding even: the time that it saves is spent again, but not
            # the 8 MB of a copy of the largest maps of `rooms`.
            self.weight, self._lead = F.pad(self.weight, (1, 0, 1, 0)), 1
        maps, padding = _padded(maps, self._kernel, self._stride, self._lead)
        where = padding, [self._stride] * 2, [1, 1], self._groups
        self.weight = torch.ops.mkldnn._reorder_convolution_weight(self.weight, *where, [1, *maps.shape[1:]])


def _padded(maps: Tensor, kernel: int, stride: int, lead: int = 0) -> tuple[Tensor, list[int]]:
    """Maps, and the rows and columns that the convolution itself is to add on both sides.

    Where padding is odd the extra row and column go to the bottom and the right; only then the maps are copied. With
    ``lead`` rows and columns of zeros before it, a kernel starts so much earlier.
    """
    rows, columns = (max((-(-side // stride) - 1) * stride + kernel - side, 0) for side in maps.shape[2:])
    top, left, bottom, right = rows // 2 + lead, columns // 2 + lead, -(-rows // 2), -(-columns // 2)
    if (top, left) == (bottom, right):
        return maps, [top, left]
    return F.pad(maps, (left, right, top, bottom)), [0, 0]
