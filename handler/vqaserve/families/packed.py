"""Linear layers whose weights are laid out for oneDNN once, at load, in place of MKL's own at each call."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class PackedLinear(nn.Module):
    """A linear layer for inference in fp32 on a CPU, the same numbers to rounding.

    Torch hands fp32 products to MKL, which on AMD's processors takes more than twice oneDNN's time. The two operators
    are those that torch's own compiler puts in place of linear layers.
    """

    def __init__(self, linear: nn.Linear) -> None:
        super().__init__()
        self.weight = torch.ops.mkldnn._reorder_linear_weight(linear.weight.detach(), None)
        self.bias = linear.bias

    def forward(self, inputs: Tensor) -> Tensor:
        """[..., in] to [..., out], as ``nn.Linear``."""
        outputs: Tensor = torch.ops.mkldnn._linear_pointwise(inputs, self.weight, self.bias, "none", [], "")
        return outputs


def pack(model: nn.Module) -> None:
    """Replace a network's linear layers; for inference alone, and where torch was built with oneDNN."""
    if not torch.backends.mkldnn.is_available():  # type: ignore[no-untyped-call]
        return
    for name, child in model.named_children():
        # A subclass has a forward of its own, and attention reads its projection's weights without calling it.
        if type(child) is nn.Linear and child.weight.dtype == torch.float32:
            setattr(model, name, PackedLinear(child))
        else:
            pack(child)
