"""Layers laid out for oneDNN give the numbers of torch's own."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from vqaserve.families.modular.same_conv2d import PackedSameConv2d, SameConv2d
from vqaserve.families.packed import PackedLinear, can_pack, pack, pack_in_bf16


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


@torch.inference_mode()
def test_a_layer_rounded_to_bf16_takes_and_gives_fp32():
    if not can_pack(torch.bfloat16):
        pytest.skip("no bf16 on this processor")
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(96, 40), nn.Linear(40, 8))
    inputs = torch.randn(7, 96)
    expected = model(inputs)
    pack_in_bf16(model, ["0"])
    assert (type(model[0]), type(model[1])) == (PackedLinear, nn.Linear)
    torch.testing.assert_close(model(inputs), expected, rtol=0.02, atol=0.02)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@torch.inference_mode()
def test_a_packed_convolution_gives_the_same_numbers_for_every_size(dtype: torch.dtype):
    if not can_pack(dtype):
        pytest.skip("not on this processor")
    torch.manual_seed(0)
    for kernel, stride, groups, activated in ((1, 1, 1, True), (3, 2, 1, True), (5, 2, 8, True), (1, 1, 1, False)):
        plain = SameConv2d(8, 8, kernel, stride=stride, groups=groups, activated=activated).to(dtype)
        packed = PackedSameConv2d(plain)
        for rows, columns in ((12, 16), (12, 16), (11, 7), (1, 1)):
            maps = (4 * torch.randn(2, 8, rows, columns, dtype=dtype)).to(memory_format=torch.channels_last)
            added = torch.randn_like(plain(maps))
            tolerance = 1e-5 if dtype == torch.float32 else 0.05
            torch.testing.assert_close(packed(maps), plain(maps), rtol=tolerance, atol=tolerance)
            torch.testing.assert_close(packed(maps, added), plain(maps, added), rtol=tolerance, atol=tolerance)
