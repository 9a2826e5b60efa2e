"""What a worker computes with: the recipe's word, a calibration of this machine, or a static rule."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest

from vqaserve.calibration import Arithmetic, Calibration, Conditions, Machine, Trial, calibration_file
from vqaserve.choosing import Choice, choose
from vqaserve.settings import HandlerSettings

CONTENT = "c" * 64
INT8 = Arithmetic(runtime="openvino", precision="int8")
MEASURED = Calibration(
    content=CONTENT,
    machine=Machine.here(),
    conditions=Conditions(workers=2, threads=1, batch=8, cores=2),
    chosen=INT8,
    trials=(
        Trial(arithmetic=Arithmetic(precision="fp32"), cpu_ms=370, failure="not measured in batches"),
        Trial(arithmetic=Arithmetic(precision="bf16"), cpu_ms=250.5),
        Trial(arithmetic=INT8, cpu_ms=140),
    ),
)


def settings(**given: Any) -> HandlerSettings:
    content = {"precision": "auto", "options": {"runtime": "auto"}, **given}
    return HandlerSettings.model_validate({"version": "1.0.0", "family": "hf_classifier", "device": "cpu", **content})


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An unpacked archive, whose server has a run folder."""
    monkeypatch.setenv("VQA_RUN", str(tmp_path / "run"))
    (tmp_path / "run" / "calibrations").mkdir(parents=True)
    (tmp_path / "archive" / "MAR-INF").mkdir(parents=True)
    (tmp_path / "archive" / "MAR-INF" / "CONTENT.sha256").write_text(CONTENT + "\n")
    return tmp_path / "archive"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return calibration_file(tmp_path / "run", CONTENT)


def choice_with(file: Path, calibration: Calibration, folder: Path) -> Choice:
    file.write_text(calibration.model_dump_json())
    return choose(folder, settings())


def test_a_calibration_decides_and_its_figures_are_the_reason(folder: Path, file: Path):
    choice = choice_with(file, MEASURED, folder)
    assert choice.source == "calibration"
    assert (choice.settings.precision, choice.settings.options) == ("int8", {"runtime": "openvino"})
    assert choice.settings.agreement == 0  # the calibration has compared the answers
    assert choice.reason == (
        "CPU time of an answer on this machine: openvino int8 140.0 ms, torch bf16 250.5 ms, "
        "torch fp32 370.0 ms (not measured in batches)"
    )


@pytest.mark.parametrize("own", [{"precision": "bf16", "options": {"runtime": "torch"}}, {"precision": "fp32"}])
def test_what_the_recipe_says_is_obeyed(own: dict[str, Any], folder: Path, file: Path):
    file.write_text(MEASURED.model_dump_json())
    given = settings(**{"options": {}, **own})
    assert choose(folder, given) == Choice(given, "recipe", "the recipe sets it")


def test_precision_auto_alone_keeps_the_runtime_away_from_families_that_have_none(folder: Path, file: Path):
    found = MEASURED.model_copy(update={"chosen": Arithmetic(precision="bf16")})
    file.write_text(found.model_dump_json())
    choice = choose(folder, settings(options={}))
    assert (choice.settings.precision, choice.settings.options) == ("bf16", {})


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"machine": MEASURED.machine.model_copy(update={"processor": "GenuineIntel 6 143 8"})}, "another processor"),
        ({"machine": MEASURED.machine.model_copy(update={"flags": ("amx_int8",)})}, "another processor"),
        ({"machine": MEASURED.machine.model_copy(update={"libraries": {"torch": "1.0"}})}, "versions of libraries"),
        ({"machine": MEASURED.machine.model_copy(update={"limit": "SSE41"})}, "ONEDNN_MAX_CPU_ISA have changed"),
        ({"content": "d" * 64}, "another archive"),
        ({"conditions": Conditions(workers=1, threads=2, batch=8, cores=2)}, "of 2 threads, and these have 1"),
    ],
)
def test_a_calibration_of_something_else_is_ignored_with_a_warning(
    changes: dict[str, Any], reason: str, folder: Path, file: Path, caplog: pytest.LogCaptureFixture
):
    choice = choice_with(file, MEASURED.model_copy(update=changes), folder)
    assert (choice.settings, choice.source) == (settings(), "static rule")
    assert reason in choice.reason
    assert [record.levelno for record in caplog.records] == [logging.WARNING]
    assert reason in caplog.text


@pytest.mark.parametrize("content", [b"", b"\xff\xfe", b"[]", b'{"content": "c"}', b'{"content": NaN}'])
def test_an_unreadable_calibration_is_ignored_with_a_warning(
    content: bytes, folder: Path, file: Path, caplog: pytest.LogCaptureFixture
):
    file.write_bytes(content)
    assert choose(folder, settings()).source == "static rule"
    assert [record.levelno for record in caplog.records] == [logging.WARNING]
    assert f"{file} is ignored: it is no calibration" in caplog.text
    assert "\n" not in caplog.messages[0]


def test_without_a_calibration_the_static_rule_decides_and_says_so(
    folder: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    choice = choose(folder, settings())
    assert (choice.settings, choice.source) == (settings(), "static rule")
    assert choice.reason.endswith("; nothing was measured before the start")
    monkeypatch.delenv("VQA_RUN")
    assert choose(folder, settings()).reason.endswith("because the server was started by other means")
    assert not caplog.records


def test_without_a_measurement_the_static_rule_decides(folder: Path, file: Path):
    choice = choice_with(file, MEASURED.model_copy(update={"chosen": None, "trials": ()}), folder)
    assert (choice.source, choice.reason) == ("static rule", "the server was started without a calibration")


def test_a_gpu_leaves_nothing_to_measure(folder: Path, file: Path):
    file.write_text(MEASURED.model_dump_json())
    choice = choose(folder, settings(device="cuda:0"))
    assert (choice.source, choice.reason) == ("static rule", "the model runs on a GPU")
