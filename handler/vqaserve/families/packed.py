"""Linear layers with weights packed for oneDNN once, at load."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

_MIN_WEIGHTS = 2**17
"""Fewest weights worth packing; for smaller matrices MKL is faster than a call of oneDNN."""


class PackedLinear(nn.Module):
    """A linear layer for inference on a CPU; it computes in the type of its weights and returns the type of its inputs.

    Torch computes fp32 products with MKL, which takes more than twice as long as oneDNN on AMD processors. In bf16,
    torch reorders the weights at each call. The two operators are those that torch's compiler uses for linear layers.

    Args:
        linear: The layer.
        gelu: Whether to apply GELU to the outputs, before they are rounded.
    """

    def __init__(self, linear: nn.Linear, gelu: bool = False) -> None:
        super().__init__()
        self.weight = torch.ops.mkldnn._reorder_linear_weight(linear.weight.detach(), None)
        self.bias = linear.bias
        self.gelu = gelu

    def forward(self, inputs: Tensor) -> Tensor:
        """Map [..., in] to [..., out], as ``nn.Linear`` does."""
        rounded = inputs.to(self.weight.dtype)
        if torch.is_grad_enabled():  # the operator has no gradient, which explanations need
            plain = F.linear(rounded, self.weight.to_dense(), self.bias)
            return (F.gelu(plain) if self.gelu else plain).to(inputs.dtype)
        name, algorithm = ("gelu", "none") if self.gelu else ("none", "")
        outputs: Tensor = torch.ops.mkldnn._linear_pointwise(rounded, self.weight, self.bias, name, [], algorithm)
        return outputs.to(inputs.dtype)


def pack(model: nn.Module) -> None:
    """Pack the large fp32 linear layers of a network in place; for inference only."""
    if can_pack(torch.float32):
        _pack(model, torch.float32)


def pack_in_bf16(model: nn.Module, names: Sequence[str]) -> None:
    """Convert the named linear layers to bf16 and pack them; their inputs and outputs stay in fp32."""
    if can_pack(torch.bfloat16):
        for name in names:
            model.set_submodule(name, PackedLinear(cast(nn.Linear, model.get_submodule(name)).bfloat16()))


def pack_encoder(model: nn.Module) -> None:
    """Pack the large bf16 linear layers of a transformer in place, with the GELU after them where BERT has one.

    The layers of a ViLT take 0.77 of the time for one question then, on a processor with AMX (docs/performance.md).
    Weights in fp32 stay as they are.
    """
    if not can_pack(torch.bfloat16):
        return
    for module in model.modules():
        if _is_bert_intermediate(module):
            module.dense = PackedLinear(cast(nn.Linear, module.dense), gelu=True)
            module.intermediate_act_fn = nn.Identity()
    _pack(model, torch.bfloat16)


def can_pack(dtype: torch.dtype) -> bool:
    """Whether torch was built with oneDNN, and oneDNN supports the type on this processor."""
    if not torch.backends.mkldnn.is_available():  # type: ignore[no-untyped-call]
        return False
    return dtype == torch.float32 or (dtype == torch.bfloat16 and torch.ops.mkldnn._is_mkldnn_bf16_supported())


def _pack(model: nn.Module, dtype: torch.dtype) -> None:
    """Pack the large linear layers of a type."""
    for name, child in model.named_children():
        # Subclasses have their own forward, and attention reads the weights of its projection without calling it.
        if type(child) is not nn.Linear:
            _pack(child, dtype)
        elif _is_large(child, dtype):
            setattr(model, name, PackedLinear(child))


def _is_large(layer: nn.Linear, dtype: torch.dtype) -> bool:
    return layer.weight.dtype == dtype and layer.weight.numel() >= _MIN_WEIGHTS


def _is_bert_intermediate(module: nn.Module) -> bool:
    """Whether a module maps with ``dense`` and then applies GELU, as ``BertIntermediate`` and its descendants do."""
    dense, activation = getattr(module, "dense", None), getattr(module, "intermediate_act_fn", None)
    is_gelu = getattr(activation, "act", activation) is F.gelu  # transformers' GELUActivation keeps the function
    return type(dense) is nn.Linear and is_gelu and _is_large(dense, torch.bfloat16)
