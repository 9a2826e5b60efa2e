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
from vqaserve.calibration import Machine
from vqaserve.errors import RecipeError
from vqaserve.families import find_family, prepare
from vqaserve.families.rule import left_open

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


def test_auto_is_the_first_precision_of_the_static_rule(tiny: Tiny, caplog: pytest.LogCaptureFixture):
    first = left_open(tiny.settings.model_copy(update={"precision": "auto"}), Machine.here().flags, ["openvino"])[0]
    with caplog.at_level("INFO"):
        family = tiny.load(precision="auto", agreement=0.001)
    assert (family.runtime, family.precision) == ("openvino", first.precision)
    assert f"{first.precision} on OpenVINO keeps " in caplog.text


def test_runtime_auto_uses_openvino_only_if_the_archive_has_its_network(tiny: Tiny, tmp_path: Path):
    auto = {"precision": "auto", "options": {"runtime": "auto"}}
    packed = prepared(tiny, tmp_path, **auto)
    kind = find_family("hf_classifier")
    assert {one.runtime for one in kind.candidates(tmp_path, packed.settings)} == {"torch", "openvino"}
    for folder, changes in ((tiny.folder, auto), (tmp_path, {**auto, "device": "cuda:0"})):
        found = kind.candidates(folder, tiny.settings.model_copy(update=changes))
        assert {one.runtime for one in found} == {"torch"}
    assert tiny.load(**auto, agreement=0.001).runtime == "torch"


def test_runtime_auto_packs_nothing_for_a_network_that_cannot_be_converted(
    shared_tiny: Callable[[str], Tiny], tmp_path: Path
):
    blip = shared_tiny("blip")
    changes = {"family": "hf_classifier", "options": {"runtime": "auto"}}
    prepare(blip.folder, blip.settings.model_copy(update=changes), tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_answers_that_change_are_refused_with_the_figure(tiny: Tiny, tmp_path: Path):
    model = prepared(tiny, tmp_path)
    probe = tmp_path / "openvino" / "probe.json"
    probe.write_text('{"answers": [[["another", 0.9]]]}')
    with pytest.raises(RecipeError, match=r"^fp32 on OpenVINO keeps 0\.0% of 1 probe answers, and agreement is"):
        model.load()


def test_a_packed_network_serves_every_precision(tiny: Tiny, tmp_path: Path):
    model = prepared(tiny, tmp_path)
    assert_same(answers(model.load(), PAIRS), answers(tiny.load(), PAIRS))
    rounded = model.load(precision="int8", agreement=0.001)
    assert rounded.precision == "int8"
    assert_plausible(answers(rounded, PAIRS), 3)


def test_agreement_0_asks_no_probe(tiny: Tiny, tmp_path: Path):
    model = prepared(tiny, tmp_path)
    (tmp_path / "openvino" / "probe.json").write_text('{"answers": [[["another", 0.9]]]}')
    assert_plausible(answers(model.load(precision="int8", agreement=0), PAIRS), 3)


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
