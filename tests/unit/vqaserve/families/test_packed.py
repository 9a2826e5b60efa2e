"""Packed layers compute the same numbers as torch's own."""

from __future__ import annotations

from copy import deepcopy

import pytest
import torch
from torch import Tensor, nn
from transformers import BertConfig
from transformers.models.bert.modeling_bert import BertIntermediate

from vqaserve.families.backbones import efficientnet_lite
from vqaserve.families.backbones.efficientnet_lite import LiteBlock, PackedLiteBlock
from vqaserve.families.backbones.packed_conv2d import PackedConv2d, pack_convolutions
from vqaserve.families.backbones.same_conv2d import PackedSameConv2d, SameConv2d
from vqaserve.families.packed import PackedLinear, can_pack, pack, pack_encoder, pack_in_bf16


@pytest.fixture(params=[torch.float32, torch.bfloat16], ids=str)
def dtype(request: pytest.FixtureRequest) -> torch.dtype:
    """The types in which convolutions are packed, if the processor supports them."""
    if not can_pack(request.param):
        pytest.skip("not on this processor")
    return request.param


@torch.inference_mode()
def test_a_packed_layer_gives_the_same_numbers_for_every_shape():
    torch.manual_seed(0)
    for bias in (True, False):
        linear = nn.Linear(96, 40, bias=bias)
        packed = PackedLinear(linear)
        for shape in ((96,), (1, 96), (7, 96), (3, 5, 96)):
            inputs = torch.randn(shape)
            torch.testing.assert_close(packed(inputs), linear(inputs), rtol=1e-5, atol=1e-5)


def test_only_large_plain_layers_in_fp32_are_packed():
    model = nn.ModuleDict(
        {
            "large": nn.Linear(512, 256),
            "small": nn.Linear(512, 255),
            "bf16": nn.Linear(512, 512).bfloat16(),
            "attention": nn.MultiheadAttention(512, 2),
        }
    )
    pack(model)
    assert isinstance(model["large"], PackedLinear)
    assert (type(model["small"]), type(model["bf16"])) == (nn.Linear, nn.Linear)
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


def encoder_block() -> nn.Module:
    """A large layer with GELU after it, named as in BERT, and one without."""
    torch.manual_seed(0)
    block = nn.Module()
    block.intermediate = BertIntermediate(BertConfig(hidden_size=256, intermediate_size=512))
    block.dense = nn.Linear(512, 256)
    block.small = nn.Linear(256, 8)
    return block.bfloat16().eval()


def run(block: nn.Module, inputs: Tensor) -> Tensor:
    outputs: Tensor = block.small(block.dense(block.intermediate(inputs)))
    return outputs


@torch.inference_mode()
def test_an_encoder_in_bf16_is_packed_with_its_gelu_and_gives_the_same_numbers():
    if not can_pack(torch.bfloat16):
        pytest.skip("no bf16 on this processor")
    block, inputs = encoder_block(), torch.randn(3, 7, 256).bfloat16()
    expected = run(block, inputs)
    pack_encoder(block)
    assert isinstance(block.intermediate.dense, PackedLinear)
    assert isinstance(block.intermediate.intermediate_act_fn, nn.Identity)
    assert (type(block.dense), type(block.small)) == (PackedLinear, nn.Linear)
    torch.testing.assert_close(run(block, inputs), expected, rtol=0.05, atol=0.02)


def test_a_packed_encoder_has_gradients():
    if not can_pack(torch.bfloat16):
        pytest.skip("no bf16 on this processor")
    block, inputs = encoder_block(), torch.randn(7, 256).bfloat16().requires_grad_()
    (expected,) = torch.autograd.grad(run(block, inputs).sum(), inputs)
    pack_encoder(block)
    (found,) = torch.autograd.grad(run(block, inputs).sum(), inputs)
    torch.testing.assert_close(found, expected, rtol=0.05, atol=0.02)


def test_an_encoder_in_fp32_and_other_activations_stay_as_they_are():
    block = encoder_block()
    pack_encoder(block.float())
    assert type(block.dense) is nn.Linear
    tanh = nn.Module()
    tanh.dense, tanh.intermediate_act_fn = nn.Linear(512, 512).bfloat16(), nn.GELU(approximate="tanh")
    pack_encoder(tanh)
    assert isinstance(tanh.intermediate_act_fn, nn.GELU)


@torch.inference_mode()
def test_a_packed_convolution_gives_the_same_numbers_for_every_size(dtype: torch.dtype):
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


@torch.inference_mode()
@pytest.mark.parametrize(("stride", "expand", "parts"), [(2, 6, 3), (1, 6, 3), (1, 1, 1)])
def test_a_block_gives_the_same_numbers_when_its_large_inner_maps_are_computed_in_parts(
    stride: int, expand: int, parts: int, dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch
):
    torch.manual_seed(0)
    plain = LiteBlock(16, 16, 3, stride, expand).to(dtype)
    maps = torch.randn(2, 16, 12, 10).to(dtype, memory_format=torch.channels_last)
    model = nn.ModuleDict({"whole": deepcopy(plain), "divided": deepcopy(plain)})
    pack_convolutions(model)
    found = {}
    for name, largest in (("whole", 10**9), ("divided", 12 * 10 * 32 * maps.element_size())):
        monkeypatch.setattr(efficientnet_lite, "_LARGEST", largest)
        found[name] = model[name](maps)
    assert all(isinstance(block, PackedLiteBlock) for block in model.values())
    assert [len(block.parts) for block in model.values()] == [1, parts]
    tolerance = 1e-5 if dtype == torch.float32 else 0.05
    torch.testing.assert_close(found["whole"], plain(maps), rtol=tolerance, atol=tolerance)
    torch.testing.assert_close(found["divided"], found["whole"], rtol=tolerance, atol=tolerance)


@torch.inference_mode()
def test_a_sequences_convolutions_take_norm_and_activation_along_and_give_the_same_numbers(dtype: torch.dtype):
    torch.manual_seed(0)
    model = nn.ModuleList(
        [
            nn.Sequential(nn.Conv2d(3, 8, 3, padding=1, bias=False), nn.BatchNorm2d(8), nn.ReLU(), nn.MaxPool2d(2)),
            nn.Sequential(nn.Conv2d(3, 8, 5, 2, groups=1), nn.SiLU(), nn.Conv2d(8, 6, 1, groups=2), nn.Sigmoid()),
            nn.Sequential(nn.Sequential(nn.ReLU(), nn.Conv2d(3, 4, 3, dilation=2)), nn.BatchNorm2d(4)),
            nn.Sequential(nn.Conv2d(3, 4, 3, padding="same"), nn.Conv2d(4, 4, 3, padding=1, padding_mode="reflect")),
        ]
    )
    for norm in model.modules():
        if isinstance(norm, nn.BatchNorm2d):
            norm.running_mean.normal_()
            norm.running_var.uniform_(0.5, 2)
    model = model.eval().to(dtype)
    maps = [torch.randn(2, 3, *size).to(dtype, memory_format=torch.channels_last) for size in ((12, 16), (11, 9))]
    expected = [sequence(one) for sequence in model for one in maps]
    pack_convolutions(model)
    kinds = [[type(layer) for layer in sequence] for sequence in (model[0], model[1], model[2][0], model[3])]
    assert kinds == [
        [PackedConv2d, nn.MaxPool2d],
        [PackedConv2d, PackedConv2d, nn.Sigmoid],
        [nn.ReLU, PackedConv2d],
        [nn.Conv2d, nn.Conv2d],
    ]
    tolerance = 1e-5 if dtype == torch.float32 else 0.05
    for got, wanted in zip([sequence(one) for sequence in model for one in maps], expected, strict=True):
        torch.testing.assert_close(got, wanted, rtol=tolerance, atol=tolerance)
