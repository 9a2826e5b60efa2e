"""Convolutions fused with batch norm and activation in one call of oneDNN, with packed weights."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeGuard

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from vqaserve.families.backbones.efficientnet_lite import LiteBlock, PackedLiteBlock
from vqaserve.families.backbones.same_conv2d import PackedSameConv2d, SameConv2d
from vqaserve.families.packed import can_pack

_ACTIVATIONS: dict[type[nn.Module], str] = {nn.ReLU: "relu", nn.SiLU: "swish"}
"""Activations that oneDNN can fuse, with its names for them."""


class PackedConv2d(nn.Module):
    """A convolution for inference on a CPU, like ``PackedSameConv2d`` but padded as ``nn.Conv2d``."""

    def __init__(self, convolution: nn.Conv2d, activation: str = "none") -> None:
        super().__init__()
        self._how = convolution.padding, convolution.stride, convolution.dilation, convolution.groups
        self._activation = activation
        self.weight: Tensor = convolution.weight.detach()
        self.bias = convolution.bias

    def forward(self, maps: Tensor) -> Tensor:
        """Map [n, before, rows, columns] to [n, after, ...], as the modules that it replaces."""
        if not self.weight.is_mkldnn:
            size = [1, *maps.shape[1:]]
            self.weight = torch.ops.mkldnn._reorder_convolution_weight(self.weight, *self._how, size)
        out: Tensor = torch.ops.mkldnn._convolution_pointwise(
            maps, self.weight, self.bias, *self._how, self._activation, [], ""
        )
        return out


def pack_convolutions(model: nn.Module) -> None:
    """Pack a network's ``SameConv2d`` and the plain convolutions in its sequences, in place; for inference only.

    Convolutions in fp32 and bf16 are packed. Batch norm and activation that directly follow one in a sequence are fused
    into it.
    """
    for name, child in model.named_children():
        if isinstance(child, LiteBlock) and can_pack(child.project.weight.dtype):
            setattr(model, name, PackedLiteBlock(child))
            continue
        if isinstance(child, SameConv2d):
            if can_pack(child.weight.dtype):
                setattr(model, name, PackedSameConv2d(child))
            continue
        pack_convolutions(child)
        if type(child) is nn.Sequential:
            setattr(model, name, nn.Sequential(*_packed(child)))


def _can_pack(layer: nn.Module) -> TypeGuard[nn.Conv2d]:
    """Whether a layer is a plain convolution with zero padding given in numbers."""
    return (
        type(layer) is nn.Conv2d
        and can_pack(layer.weight.dtype)
        and layer.padding_mode == "zeros"
        and not isinstance(layer.padding, str)
    )


def _packed(sequence: nn.Sequential) -> Iterator[nn.Module]:
    rest = list(sequence)
    while rest:
        layer = rest.pop(0)
        if _can_pack(layer):
            if rest and isinstance(norm := rest[0], nn.BatchNorm2d):
                rest.pop(0)
                layer = fuse_conv_bn_eval(layer, norm)
            activation = _ACTIVATIONS.get(type(rest[0])) if rest else None
            if activation:
                rest.pop(0)
            layer = PackedConv2d(layer, activation or "none")
        yield layer
