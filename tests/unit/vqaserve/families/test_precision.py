"""A lower precision is used only if it keeps the answers."""

from __future__ import annotations

import logging
from collections.abc import Callable

import pytest
import torch
from torch import nn

from tests.support.families import PAIRS, answers, assert_plausible, assert_same
from tests.tiny.kinds import Tiny
from vqaserve.calibration import Machine
from vqaserve.errors import RecipeError
from vqaserve.families import precision
from vqaserve.families.clip_llm import family as clip_llm
from vqaserve.families.int8 import Int8Linear
from vqaserve.families.precision import fastest
from vqaserve.families.probe import QUESTIONS, agreement
from vqaserve.types import Answer

KINDS = ["modular", "vilt", "blip", "qwen2_vl", "clip_llm"]


@pytest.mark.parametrize("wanted", ["bf16", "fp16", "int8"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_family_answers_in_every_arithmetic(kind: str, wanted: str, shared_tiny: Callable[[str], Tiny]):
    family = shared_tiny(kind).load(precision=wanted, agreement=0.001)
    assert_plausible(answers(family, PAIRS), 3)
    assert family.precision == wanted


@pytest.mark.parametrize("wanted", ["fp32", "bf16", "int8"])
def test_openvino_reports_the_precision_that_the_recipe_sets(wanted: str, shared_tiny: Callable[[str], Tiny]):
    assert shared_tiny("vilt_openvino").load(precision=wanted, agreement=0.001).precision == wanted


def test_precision_is_nf4_with_four_bit(shared_tiny: Callable[[str], Tiny], monkeypatch: pytest.MonkeyPatch):
    read = clip_llm.read_language_model
    monkeypatch.setattr(clip_llm, "read_language_model", lambda *at, four_bit, **how: read(*at, four_bit=False, **how))
    assert shared_tiny("clip_llm").load(options={"four_bit": True}).precision == "nf4"  # rounding itself needs a GPU


def test_int8_rounds_the_linear_layers_and_leaves_the_rest(shared_tiny: Callable[[str], Tiny]):
    model = shared_tiny("vilt").load(precision="int8", agreement=0.001).model
    assert not [name for name, layer in model.named_modules() if type(layer) is nn.Linear]
    assert {parameter.dtype for parameter in model.parameters()} == {torch.float32}


@pytest.mark.parametrize("kind", KINDS)
def test_an_answer_in_int8_does_not_depend_on_its_batch(kind: str, shared_tiny: Callable[[str], Tiny]):
    family = shared_tiny(kind).load(precision="int8", agreement=0.001)
    assert_same(answers(family, PAIRS), [ranked for pair in PAIRS for ranked in answers(family, [pair])])


def test_int8_is_close_to_fp32_and_keeps_shapes():
    torch.manual_seed(0)
    linear, inputs = nn.Linear(64, 32), torch.randn(3, 5, 64)
    found, expected = Int8Linear(linear)(inputs), linear(inputs)
    assert found.shape == expected.shape
    assert (found - expected).abs().max() < 0.02
    assert (Int8Linear(linear).weight - linear.weight).abs().max() < 0.001
    assert Int8Linear(nn.Linear(4, 2, bias=False))(torch.zeros(1, 4)).tolist() == [[0, 0]]


def test_a_model_whose_answers_change_is_refused_with_the_figure(shared_tiny: Callable[[str], Tiny]):
    with pytest.raises(RecipeError, match=r"^int8 keeps [\d.]+% of 16 probe answers, and agreement is 100%"):
        shared_tiny("llava").load(precision="int8", agreement=1.0)


def test_auto_goes_back_to_fp32_when_answers_change(
    shared_tiny: Callable[[str], Tiny], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    monkeypatch.setattr(precision, "fastest", lambda device, work: "int8")
    with caplog.at_level(logging.WARNING):
        family = shared_tiny("llava").load(precision="auto", agreement=1.0)
    assert (family.model.dtype, family.precision) == (torch.float32, "fp32")
    assert [type(layer) for layer in family.model.modules() if isinstance(layer, nn.Linear)]
    assert "staying with fp32" in caplog.text


def test_auto_uses_what_the_machine_has_when_answers_stay(
    shared_tiny: Callable[[str], Tiny], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(precision, "fastest", lambda device, work: "bf16")
    assert shared_tiny("vilt").load(precision="auto", agreement=0.5).model.dtype == torch.bfloat16


@pytest.mark.parametrize(
    ("flags", "work", "expected"),
    [
        (("avx512_bf16",), 2 * 10**9, "bf16"),
        (("amx_bf16",), 2 * 10**9, "bf16"),
        (("avx512_bf16",), 10**7, "fp32"),
        (("avx512_vnni",), 2 * 10**9, "fp32"),
    ],
)
def test_bf16_is_for_processors_that_have_it_and_models_that_have_much_to_do(
    flags: tuple[str, ...], work: int, expected: str, monkeypatch: pytest.MonkeyPatch
):
    here = Machine(processor="", flags=flags, limit="", libraries={})
    monkeypatch.setattr(precision.Machine, "here", lambda: here)
    assert fastest(torch.device("cpu"), lambda: work) == expected


def test_work_counts_every_multiplication_of_an_answer(shared_tiny: Callable[[str], Tiny]):
    family = shared_tiny("vilt").load()
    width, hidden, answers = 32, 64, 8
    patches, tokens = 4 * 5, len(family.processor.tokenizer(QUESTIONS[0])["input_ids"])  # 240 x 320 becomes 64 x 80
    layers = 2 * (tokens + 1 + patches) * (4 * width * width + 2 * width * hidden)
    head = width * width + width * 2 * width + 2 * width * answers
    assert precision.count_multiply_adds(family) == patches * 3 * 16 * 16 * width + layers + head
    assert not family.model.vilt.pooler.dense._forward_hooks


def test_an_answer_of_a_modular_model_in_bf16_does_not_depend_on_its_batch(shared_tiny: Callable[[str], Tiny]):
    family = shared_tiny("modular").load(precision="bf16", agreement=0.001)
    assert next(family.model.image_encoder.parameters()).dtype == torch.bfloat16
    assert_same(answers(family, PAIRS), [ranked for pair in PAIRS for ranked in answers(family, [pair])])


def test_an_answer_is_kept_when_it_was_as_good_as_the_best():
    expected = (Answer("sofa", 0.31), Answer("bed", 0.305), Answer("lamp", 0.1))
    found = [((Answer(answer, 0.4),)) for answer in ("sofa", "bed", "lamp", "chair")]
    assert [agreement([expected], [ranked]) for ranked in found] == [1, 1, 0, 0]
    assert agreement([expected] * 4, found) == 0.5


def test_int8_is_refused_on_a_gpu():
    with pytest.raises(RecipeError, match="precision int8 needs a CPU, and the device is cuda:0"):
        precision.convert(nn.Linear(1, 1), "int8", torch.device("cuda:0"))
