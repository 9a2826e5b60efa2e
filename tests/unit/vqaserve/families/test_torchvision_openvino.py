"""A classifier of torchvision's on OpenVINO compared with the same classifier in torch."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.support.families import PAIRS, answers, assert_plausible, assert_same
from tests.tiny.kinds import Tiny
from vqaserve.errors import RecipeError
from vqaserve.families import prepare
from vqaserve.families.torchvision_classifier import TorchvisionClassifier

RUNTIME = {"runtime": "openvino"}


@pytest.fixture(scope="module")
def tiny(shared_tiny: Callable[[str], Tiny], tmp_path_factory: pytest.TempPathFactory) -> Tiny:
    """The model with the files that its archive would contain."""
    made, folder = shared_tiny("torchvision"), tmp_path_factory.mktemp("packed")
    settings = made.settings.model_copy(update={"options": RUNTIME})
    prepare(made.folder, settings, folder)
    (folder / "weights").symlink_to(made.folder / "weights")
    return Tiny(made.kind, folder, settings)


def test_fp32_gives_the_numbers_of_torch(tiny: Tiny):
    assert_same(answers(tiny.load(), PAIRS), answers(tiny.load(options={}), PAIRS))


def test_an_answer_in_bf16_is_to_the_last_bit_the_same_alone_and_in_a_batch(tiny: Tiny):
    family = tiny.load(precision="bf16", agreement=0.001)
    together = answers(family, PAIRS)
    assert_plausible(together, 4)
    assert together == [ranked for pair in PAIRS for ranked in answers(family, [pair])]


def test_auto_leaves_all_but_int8_on_openvino_open(tiny: Tiny):
    settings = tiny.settings.model_copy(update={"options": {"runtime": "auto"}, "precision": "auto"})
    candidates = TorchvisionClassifier.candidates(tiny.folder, settings)
    ways = {str(way) for way in candidates}
    assert ways >= {"openvino fp32", "torch fp32"}
    assert "openvino int8" not in ways
    loaded = tiny.load(options={"runtime": "auto"}, precision="auto", agreement=0.001)
    assert loaded.runtime == candidates[0].runtime  # which depends on the processor


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"precision": "int8"}, "no int8 on OpenVINO; set precision: bf16, fp32 or auto"),
        ({"precision": "fp16"}, "has no fp16"),
        ({"device": "cuda:0"}, "needs a CPU, and the device is cuda:0; set runtime: torch"),
        ({"options": {"runtime": "onnx"}}, "'torch', 'openvino' or 'auto', got 'onnx'"),
    ],
)
def test_what_openvino_cannot_do_is_refused(tiny: Tiny, changes: dict[str, Any], message: str):
    with pytest.raises(RecipeError, match=message):
        tiny.load(**changes)


@pytest.mark.parametrize("name", ["network.xml", "probe.json"])
def test_a_damaged_file_is_refused_in_one_line(name: str, tiny: Tiny, tmp_path: Path):
    for file in (tiny.folder / "openvino").iterdir():
        (tmp_path / "openvino").mkdir(exist_ok=True)
        (tmp_path / "openvino" / file.name).write_bytes(b"<" if file.name == name else file.read_bytes())
    (tmp_path / "weights").symlink_to(tiny.folder / "weights")
    with pytest.raises(RecipeError, match=rf"^\S*{name} [^\n]*$"):
        Tiny(tiny.kind, tmp_path, tiny.settings).load()
