"""Linear layers whose weights are laid out for oneDNN once, at load, in place of MKL's own at each call."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor, nn

_SMALLEST = 2**17
"""Numbers of a matrix; to multiply some rows with a smaller one takes MKL less time than calling oneDNN."""


class PackedLinear(nn.Module):
    """A linear layer for inference on a CPU, in the arithmetic of its weights; what comes out is as what came in.

    Torch hands fp32 products to MKL, which on AMD's processors takes more than twice oneDNN's time. The two operators
    are those that torch's own compiler puts in place of linear layers.
    """

    def __init__(self, linear: nn.Linear) -> None:
        super().__init__()
        self.weight = torch.ops.mkldnn._reorder_linear_weight(linear.weight.detach(), None)
        self.bias = linear.bias

    def forward(self, inputs: Tensor) -> Tensor:
        """[..., in] to [..., out], as ``nn.Linear``."""
        rounded = inputs.to(self.weight.dtype)
        outputs: Tensor = torch.ops.mkldnn._linear_pointwise(rounded, self.weight, self.bias, "none", [], "")
        return outputs.to(inputs.dtype)


def pack(model: nn.Module) -> None:
    """Replace a network's large linear layers in fp32; for inference alone."""
    if not can_pack(torch.float32):
        return
    for name, child in model.named_children():
        # A subclass has a forward of its own, and attention reads its projection's weights without calling it.
        if type(child) is not nn.Linear:
            pack(child)
        elif child.weight.dtype == torch.float32 and child.weight.numel() >= _SMALLEST:
            setattr(model, name, PackedLinear(child))


def pack_in_bf16(model: nn.Module, names: Sequence[str]) -> None:
    """Round some of a network's linear layers, and replace them; what goes into and out of them stays in fp32."""
    if can_pack(torch.bfloat16):
        for name in names:
            model.set_submodule(name, PackedLinear(cast(nn.Linear, model.get_submodule(name)).bfloat16()))


def can_pack(dtype: torch.dtype) -> bool:
    """Whether torch was built with oneDNN, and that has the arithmetic on this processor."""
    if not torch.backends.mkldnn.is_available():  # type: ignore[no-untyped-call]
        return False
    return dtype == torch.float32 or (dtype == torch.bfloat16 and torch.ops.mkldnn._is_mkldnn_bf16_supported())
