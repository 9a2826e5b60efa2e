"""Layers laid out for oneDNN give the numbers of torch's own."""

from __future__ import annotations

import torch
from torch import nn

from vqaserve.families.packed import PackedLinear, pack


@torch.inference_mode()
def test_a_packed_layer_gives_the_same_numbers_for_every_shape():
    torch.manual_seed(0)
    for bias in (True, False):
        linear = nn.Linear(96, 40, bias=bias)
        packed = PackedLinear(linear)
        for shape in ((96,), (1, 96), (7, 96), (3, 5, 96)):
            inputs = torch.randn(shape)
            torch.testing.assert_close(packed(inputs), linear(inputs), rtol=1e-5, atol=1e-5)


def test_only_plain_layers_in_fp32_are_packed():
    model = nn.ModuleDict(
        {"plain": nn.Linear(4, 4), "bf16": nn.Linear(4, 4).bfloat16(), "attention": nn.MultiheadAttention(4, 2)}
    )
    pack(model)
    assert isinstance(model["plain"], PackedLinear)
    assert type(model["bf16"]) is nn.Linear
    assert not isinstance(model["attention"].out_proj, PackedLinear)
