"""Names of tensors without what wrappers put before them."""

from __future__ import annotations

import pytest
import torch

from vqaops.importing.prefixes import strip_prefixes, strip_wrappers
from vqaserve.errors import RecipeError

ROOTS = {"cnn", "text_encoder", "fc"}
NAMES = ["cnn.0.weight", "text_encoder.bert.encoder.layer.0.weight", "fc.weight", "fc.bias"]


def tensors(*names: str) -> dict[str, torch.Tensor]:
    return {name: torch.tensor(float(number)) for number, name in enumerate(names)}


@pytest.mark.parametrize(
    "prefix",
    [
        "",
        "module.",
        "_orig_mod.",
        "module._orig_mod.",
        "_orig_mod.module.",
        "_orig_mod.module.module._orig_mod.",
        "model.",
        "net.",
        "model.model.",
        "model._orig_mod.net.",
        "module.model.",
        "_fsdp_wrapped_module.",
        "_forward_module.model.",
        "lightning_module.vqa_model.",
        "ema.",
        "ema_model.module.",
    ],
)
def test_every_prefix_is_taken_off(prefix: str):
    found = strip_prefixes(tensors(*(prefix + name for name in NAMES)), ROOTS)
    assert list(found.tensors) == NAMES
    assert found.file_names == {name: prefix + name for name in NAMES}
    assert not found.passed_over


@pytest.mark.parametrize(
    "name",
    [
        "text_encoder._orig_mod.bert.encoder.layer.0.weight",
        "text_encoder.module.bert.encoder.layer.0.weight",
        "text_encoder._fsdp_wrapped_module.bert.encoder.layer.0._checkpoint_wrapped_module.weight",
        "model.text_encoder.module.bert._orig_mod.encoder.layer.0.weight",
        "_module.text_encoder.bert.encoder.layer.0.weight",
    ],
)
def test_a_wrapper_around_a_part_is_taken_off(name: str):
    assert set(strip_prefixes(tensors(name, "fc.weight"), ROOTS).tensors) == {NAMES[1], "fc.weight"}


def test_tensors_that_are_not_the_models_are_passed_over_and_named():
    average = [f"model_ema.{name}" for name in NAMES]
    more = ["n_averaged", "criterion.pos_weight"]
    found = strip_prefixes(tensors(*(f"model.{name}" for name in NAMES), *average, *more), ROOTS)
    assert list(found.tensors) == NAMES
    assert sorted(found.passed_over) == ["criterion.pos_weight", "model_ema.* (4 tensors)", "n_averaged"]


def test_a_tensor_under_the_models_prefix_is_kept_though_unknown():
    assert "extra.weight" in strip_prefixes(tensors("model.fc.weight", "model.extra.weight"), ROOTS).tensors
    assert "extra.weight" in strip_prefixes(tensors("fc.weight", "extra.weight"), ROOTS).tensors


@pytest.mark.parametrize(
    "names",
    [
        ("fc.weight", "module.fc.weight"),
        ("fc.weight", "_orig_mod.fc.weight"),
        ("model.fc.weight", "module.model.fc.weight", "net.fc.weight"),
        ("student.fc.weight", "teacher.fc.weight"),
        ("text_encoder.module.x", "text_encoder.x"),
        ("encoder.cnn.0.weight", "cnn.0.weight"),
    ],
)
def test_two_tensors_never_get_one_name(names: tuple[str, ...]):
    with pytest.raises(RecipeError, match=r"without their prefixes, the tensors \S+ and \S+ would both be named"):
        strip_prefixes(tensors(*names), ROOTS)


def test_a_model_of_unknown_names_loses_only_wrappers():
    llama = ["model.layers.0.weight", "model.norm.weight", "lm_head.weight"]
    for prefix in ("", "module.", "_orig_mod.", "module._orig_mod.module."):
        assert list(strip_wrappers(tensors(*(prefix + name for name in llama))).tensors) == llama
    mixed = ["module.a", "b"]
    assert list(strip_wrappers(tensors(*mixed)).tensors) == mixed
