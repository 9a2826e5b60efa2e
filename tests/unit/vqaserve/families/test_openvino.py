"""The classifier on OpenVINO compared with the same classifier in torch."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.support.families import PAIRS, answers, assert_plausible, assert_same
from tests.tiny.kinds import Tiny
from vqaserve.errors import RecipeError
from vqaserve.families import prepare
from vqaserve.families.openvino import has_bf16

KIND = "vilt_openvino"


@pytest.fixture
def tiny(shared_tiny: Callable[[str], Tiny]) -> Tiny:
    return shared_tiny(KIND)


def prepared(tiny: Tiny, folder: Path, **changes: Any) -> Tiny:
    """The model with the files that its archive would contain."""
    settings = tiny.settings.model_copy(update=changes)
    prepare(tiny.folder, settings, folder)
    (folder / "weights").symlink_to(tiny.folder / "weights")
    return Tiny(tiny.kind, folder, settings)


def test_fp32_gives_the_numbers_of_torch(tiny: Tiny):
    found = answers(tiny.load(), PAIRS)
    expected = answers(tiny.load(options={"runtime": "torch"}), PAIRS)
    assert_same(found, expected)


@pytest.mark.parametrize("precision", ["bf16", "int8"])
def test_an_answer_is_to_the_last_bit_the_same_alone_and_in_a_batch(tiny: Tiny, precision: str):
    family = tiny.load(precision=precision, agreement=0.001)
    together = answers(family, PAIRS)
    assert_plausible(together, 3)
    assert together == [ranked for pair in PAIRS for ranked in answers(family, [pair])]


def test_int8_answers_are_close_to_fp32(tiny: Tiny):
    def logits(precision: str) -> np.ndarray:
        family = tiny.load(precision=precision, agreement=0.001)
        return family.forward(family.encode([picture for picture, _ in PAIRS]), [query for _, query in PAIRS]).numpy()

    exact, rounded = logits("fp32"), logits("int8")
    error = np.sqrt(((rounded - exact) ** 2).mean())
    assert 1e-4 < error < 0.2 * exact.std()


def test_auto_is_bf16_where_the_processor_has_it(tiny: Tiny, caplog: pytest.LogCaptureFixture):
    with caplog.at_level("INFO"):
        tiny.load(precision="auto", agreement=0.001)
    assert f"{'bf16' if has_bf16() else 'fp32'} on OpenVINO keeps " in caplog.text


def test_answers_that_change_are_refused_with_the_figure(tiny: Tiny, tmp_path: Path):
    model = prepared(tiny, tmp_path)
    probe = tmp_path / "openvino" / "probe.json"
    probe.write_text('{"int8": false, "answers": [[["another", 0.9]]]}')
    with pytest.raises(RecipeError, match=r"^fp32 on OpenVINO keeps 0\.0% of 1 probe answers, and agreement is"):
        model.load()


@pytest.mark.parametrize(("built", "asked"), [("int8", "bf16"), ("fp32", "int8")])
def test_a_network_of_another_precision_is_refused(built: str, asked: str, tiny: Tiny, tmp_path: Path):
    model = prepared(tiny, tmp_path, precision=built)
    with pytest.raises(
        RecipeError, match=rf"^the network in the archive is for {built}.*, not {asked}; build the arch"
    ):
        model.load(precision=asked, agreement=0.001)


@pytest.mark.parametrize("name", ["network.xml", "probe.json"])
def test_a_damaged_file_is_refused_in_one_line(name: str, tiny: Tiny, tmp_path: Path):
    model = prepared(tiny, tmp_path)
    (tmp_path / "openvino" / name).write_text("<")
    with pytest.raises(RecipeError, match=rf"^\S*{name} [^\n]*$"):
        model.load()


def test_what_openvino_cannot_do_is_refused(tiny: Tiny, shared_tiny: Callable[[str], Tiny]):
    with pytest.raises(RecipeError, match=r"has no fp16; set precision: bf16, int8, fp32 or auto$"):
        tiny.load(precision="fp16")
    with pytest.raises(RecipeError, match=r"needs a CPU, and the device is cuda:0; set runtime: torch$"):
        tiny.load(device="cuda:0")
    blip = shared_tiny("blip")
    with pytest.raises(RecipeError, match=r"supports vilt, and the model is blip; set runtime: torch$"):
        blip.load(family="hf_classifier", options={"runtime": "openvino"})


def test_without_openvino_its_extra_is_named(tiny: Tiny, monkeypatch: pytest.MonkeyPatch):
    for name in [name for name in sys.modules if name.partition(".")[0] == "openvino"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "openvino", None)  # as if it were not installed
    for name in ("hf_classifier.on_openvino", "openvino"):
        monkeypatch.delitem(sys.modules, f"vqaserve.families.{name}", raising=False)
    with pytest.raises(RecipeError, match=r"^runtime 'openvino' needs openvino: .* -e '\.\[openvino\]'$"):
        tiny.load()
