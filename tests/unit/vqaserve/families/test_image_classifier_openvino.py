"""Hugging Face classifiers of pictures on OpenVINO, compared with the same classifiers in torch."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from tests.support.families import answers, assert_plausible, assert_same, photo
from tests.tiny.image_classifier_models import LABELS, make
from tests.tiny.kinds import Tiny
from vqaserve.errors import RecipeError
from vqaserve.families import prepare
from vqaserve.families.hf_image_classifier import HfImageClassifier
from vqaserve.settings import HandlerSettings
from vqaserve.types import Query

SETTINGS = HandlerSettings(
    version="1.0.0",
    task="image_classification",
    family="hf_image_classifier",
    device="cpu",
    options={"runtime": "openvino"},
)
PAIRS = [
    (photo(*size, seed), Query(b"", top_k=len(LABELS))) for seed, size in enumerate([(80, 60), (60, 80), (200, 40)])
]


@pytest.fixture(scope="module")
def packed(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Tiny]:
    """A model with the files that its archive would contain."""

    @cache
    def pack(model_type: str) -> Tiny:
        folder = tmp_path_factory.mktemp(model_type)
        make(model_type, folder / "weights")
        prepare(folder, SETTINGS, folder)
        return Tiny(model_type, folder, SETTINGS)

    return pack


# Linear layers; convolutions; a pool larger than the picture; windows; inputs that are normalised by the processor.
@pytest.mark.parametrize("model_type", ["vit", "convnext", "efficientnet", "swin", "mobilevit"])
def test_fp32_gives_the_numbers_of_torch(packed: Callable[[str], Tiny], model_type: str):
    tiny = packed(model_type)
    assert_same(answers(tiny.load(), PAIRS), answers(tiny.load(options={}), PAIRS))


@pytest.mark.parametrize("precision", ["bf16", "int8"])
def test_an_answer_is_to_the_last_bit_the_same_alone_and_in_a_batch(packed: Callable[[str], Tiny], precision: str):
    family = packed("vit").load(precision=precision, agreement=0.001)
    together = answers(family, PAIRS)
    assert_plausible(together, len(LABELS))
    assert together == [ranked for pair in PAIRS for ranked in answers(family, [pair])]


@pytest.mark.parametrize("model_type", ["vit", "perceiver"])  # Perceiver multiplies constants
def test_int8_scores_are_close_to_fp32(packed: Callable[[str], Tiny], model_type: str):
    tiny, scores = packed(model_type), []
    for precision in ("fp32", "int8"):
        ranked = answers(tiny.load(precision=precision, agreement=0.001), PAIRS)
        scores.append([{one.answer: one.score for one in answer} for answer in ranked])
    differences = [
        abs(exact[label] - rounded[label]) for exact, rounded in zip(*scores, strict=True) for label in LABELS
    ]
    assert 1e-6 < max(differences) < 0.02


def test_a_model_of_several_labels_a_picture_has_independent_scores(packed: Callable[[str], Tiny], tmp_path: Path):
    (tmp_path / "weights").mkdir()
    for file in (packed("vit").folder / "weights").iterdir():
        (tmp_path / "weights" / file.name).write_bytes(file.read_bytes())
    config = json.loads((tmp_path / "weights" / "config.json").read_text())
    independent = {**config, "problem_type": "multi_label_classification"}
    (tmp_path / "weights" / "config.json").write_text(json.dumps(independent))
    (found, *_) = answers(Tiny("vit", tmp_path, SETTINGS).load(), PAIRS)
    assert sum(one.score for one in found) != pytest.approx(1)


@pytest.mark.parametrize(("model_type", "with_int8"), [("vit", True), ("efficientnet", False)])
def test_auto_leaves_int8_open_for_linear_layers(packed: Callable[[str], Tiny], model_type: str, with_int8: bool):
    tiny = packed(model_type)
    settings = tiny.settings.model_copy(update={"options": {"runtime": "auto"}, "precision": "auto"})
    candidates = HfImageClassifier.candidates(tiny.folder, settings)
    ways = {str(way) for way in candidates}
    assert ways >= {"openvino fp32", "torch fp32"}
    assert ("openvino int8" in ways) == with_int8
    loaded = tiny.load(options={"runtime": "auto"}, precision="auto", agreement=0.001)
    assert loaded.runtime == candidates[0].runtime  # which depends on the processor
    assert tiny.load(precision="auto", agreement=0.001).runtime == "openvino"


def test_auto_leaves_pictures_of_several_sizes_to_torch(tmp_path: Path):
    make("textnet", tmp_path / "weights")
    settings = SETTINGS.model_copy(update={"options": {"runtime": "auto"}})
    prepare(tmp_path, settings, tmp_path)
    assert Tiny("textnet", tmp_path, settings).load().runtime == "torch"
    with pytest.raises(RecipeError, match=r"needs pictures of one size.*; set runtime: torch"):
        prepare(tmp_path, SETTINGS, tmp_path)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"precision": "int8"}, "int8 on OpenVINO is for linear layers, .* set precision: bf16, fp32 or auto"),
        ({"precision": "fp16"}, "has no fp16"),
        ({"device": "cuda:0"}, "needs a CPU, and the device is cuda:0; set runtime: torch"),
        ({"options": {"runtime": "onnx"}}, "'torch', 'openvino' or 'auto', got 'onnx'"),
    ],
)
def test_what_openvino_cannot_do_is_refused(packed: Callable[[str], Tiny], changes: dict[str, Any], message: str):
    with pytest.raises(RecipeError, match=message):
        packed("efficientnet").load(**changes)
