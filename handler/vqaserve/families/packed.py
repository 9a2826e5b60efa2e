"""Linear layers with weights packed for oneDNN once, at load."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor, nn

_MIN_WEIGHTS = 2**17
"""Fewest weights worth packing; for smaller matrices MKL is faster than a call of oneDNN."""


class PackedLinear(nn.Module):
    """A linear layer for inference on a CPU; it computes in the type of its weights and returns the type of its inputs.

    Torch computes fp32 products with MKL, which takes more than twice as long as oneDNN on AMD processors. The two
    operators are those that torch's compiler uses for linear layers.
    """

    def __init__(self, linear: nn.Linear) -> None:
        super().__init__()
        self.weight = torch.ops.mkldnn._reorder_linear_weight(linear.weight.detach(), None)
        self.bias = linear.bias

    def forward(self, inputs: Tensor) -> Tensor:
        """Map [..., in] to [..., out], as ``nn.Linear`` does."""
        rounded = inputs.to(self.weight.dtype)
        outputs: Tensor = torch.ops.mkldnn._linear_pointwise(rounded, self.weight, self.bias, "none", [], "")
        return outputs.to(inputs.dtype)


def pack(model: nn.Module) -> None:
    """Pack the large fp32 linear layers of a network in place; for inference only."""
    if not can_pack(torch.float32):
        return
    for name, child in model.named_children():
        # Subclasses have their own forward, and attention reads the weights of its projection without calling it.
        if type(child) is not nn.Linear:
            pack(child)
        elif child.weight.dtype == torch.float32 and child.weight.numel() >= _MIN_WEIGHTS:
            setattr(model, name, PackedLinear(child))


def pack_in_bf16(model: nn.Module, names: Sequence[str]) -> None:
    """Convert the named linear layers to bf16 and pack them; their inputs and outputs stay in fp32."""
    if can_pack(torch.bfloat16):
        for name in names:
            model.set_submodule(name, PackedLinear(cast(nn.Linear, model.get_submodule(name)).bfloat16()))


def can_pack(dtype: torch.dtype) -> bool:
    """Whether torch was built with oneDNN, and oneDNN supports the type on this processor."""
    if not torch.backends.mkldnn.is_available():  # type: ignore[no-untyped-call]
        return False
    return dtype == torch.float32 or (dtype == torch.bfloat16 and torch.ops.mkldnn._is_mkldnn_bf16_supported())
