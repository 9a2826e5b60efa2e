"""Which way to compute a static rule takes for a recipe that says ``auto``."""

from __future__ import annotations

from pathlib import Path

import pytest

from vqaserve.calibration import Arithmetic
from vqaserve.errors import RecipeError
from vqaserve.families import FAMILIES, find_family
from vqaserve.families.probe import ChangedAnswers
from vqaserve.families.rule import left_open, load_first
from vqaserve.settings import HandlerSettings

AMX = "avx2 avx512f avx512_vnni avx512_bf16 amx_bf16 amx_int8"
ZEN_4 = "avx2 avx512f avx512_vnni avx512_bf16"
CASCADE_LAKE = "avx2 avx512f avx512_vnni"
BOTH = ("torch", "openvino")


def settings(runtime: str, precision: str) -> HandlerSettings:
    options = {"runtime": runtime} if runtime else {}
    return HandlerSettings.model_validate(
        {"version": "1.0.0", "family": "hf_classifier", "precision": precision, "options": options}
    )


@pytest.mark.parametrize(
    ("flags", "runtime", "precision", "runtimes", "expected"),
    [
        (AMX, "auto", "auto", BOTH, "torch bf16, openvino int8, openvino bf16, openvino fp32, torch fp32"),
        (ZEN_4, "auto", "auto", BOTH, "openvino int8, openvino bf16, torch bf16, openvino fp32, torch fp32"),
        (CASCADE_LAKE, "auto", "auto", BOTH, "openvino fp32, torch fp32, openvino int8"),
        ("", "auto", "auto", BOTH, "openvino fp32, torch fp32, openvino int8"),
        (AMX, "auto", "auto", ("torch",), "torch bf16, torch fp32"),
        ("", "auto", "auto", ("torch",), "torch fp32"),
        (ZEN_4, "", "auto", BOTH, "torch bf16, torch fp32"),
        (ZEN_4, "openvino", "auto", BOTH, "openvino int8, openvino bf16, openvino fp32"),
        (ZEN_4, "auto", "int8", BOTH, "openvino int8, torch int8"),
        (ZEN_4, "auto", "fp16", BOTH, "torch fp16"),
        (AMX, "torch", "fp32", BOTH, "torch fp32"),
    ],
)
def test_the_rule_orders_what_the_recipe_leaves_open(
    flags: str, runtime: str, precision: str, runtimes: tuple[str, ...], expected: str
):
    assert ", ".join(map(str, left_open(settings(runtime, precision), flags.split(), runtimes))) == expected


def test_models_that_write_are_not_measured():
    given = settings("", "auto")
    writers = [find_family(name) for name in FAMILIES if find_family(name).writes]
    assert writers
    assert {len(family.candidates(Path(), given)) for family in writers} == {1}


WAYS = tuple(Arithmetic(runtime=runtime, precision="int8") for runtime in ("openvino", "torch"))


def test_the_first_way_that_keeps_the_answers_is_taken(caplog: pytest.LogCaptureFixture):
    def load(wanted: HandlerSettings) -> tuple[str, str]:
        if wanted.options["runtime"] == "openvino":
            raise ChangedAnswers("int8 keeps 50.0% of 16 probe answers")
        return wanted.options["runtime"], wanted.precision

    assert load_first(load, settings("auto", "auto"), WAYS) == ("torch", "auto")  # torch knows the model's size
    assert "openvino int8 is not used: int8 keeps 50.0%" in caplog.text


def test_a_recipe_for_which_no_way_keeps_the_answers_is_refused():
    def load(wanted: HandlerSettings) -> None:
        raise ChangedAnswers(wanted.precision)

    with pytest.raises(RecipeError, match=r"^no way to compute keeps the answers \(openvino int8, torch int8\); set"):
        load_first(load, settings("auto", "int8"), WAYS)


def test_another_fault_is_not_taken_for_changed_answers():
    def load(wanted: HandlerSettings) -> None:
        raise RecipeError("model.safetensors is missing")

    with pytest.raises(RecipeError, match=r"is missing$"):
        load_first(load, settings("auto", "auto"), WAYS)
