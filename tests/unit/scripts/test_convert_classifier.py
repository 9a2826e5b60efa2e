"""torchvision's checkpoints as recipes, in any wrapper, and refusals of faulty files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from tests.support.classifiers import NAMES, load, run, scores
from tests.support.torchvision_oracle import CLASSES
from vqaserve.families.torchvision_classifier.architectures import Classifier


@pytest.fixture(scope="module")
def state() -> dict[str, Tensor]:
    """A state dict under torchvision's names, made without it."""
    torch.manual_seed(0)
    tensors = Classifier("efficientnet_b0", len(CLASSES)).state_dict()
    return {name.removeprefix("backbone.").replace("head.", "classifier.1."): one for name, one in tensors.items()}


def prefixed(state: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {prefix + name: tensor for name, tensor in state.items()}


@pytest.mark.parametrize(
    "kind", ["model_state_dict", "state_dict", "model", "module.", "model.", "_orig_mod.", "plain"]
)
def test_a_wrapped_checkpoint_becomes_the_same_recipe(kind: str, state: dict[str, Tensor], tmp_path: Path):
    wrapped: dict[str, Any] = {"epoch": 5, kind: state} if "." not in kind else prefixed(state, kind)
    torch.save(state if kind == "plain" else wrapped, tmp_path / "food.pth")
    done = run(tmp_path / "food.pth", tmp_path / "food", "--classes", " pizza , steak,sushi")
    assert done.exit_code == 0, done.output
    family = load(tmp_path / "food")
    assert family.config.labels == CLASSES
    assert torch.equal(family.model.head.weight, state["classifier.1.weight"])


@pytest.mark.parametrize("name", ["fc", "heads", "heads.head", "classifier", "classifier.0"])
def test_the_head_may_have_any_of_torchvisions_names(name: str, state: dict[str, Tensor], tmp_path: Path):
    torch.save({one.replace("classifier.1", name): tensor for one, tensor in state.items()}, tmp_path / "food.pth")
    assert run(tmp_path / "food.pth", tmp_path / "food", "--classes", NAMES).exit_code == 0
    assert torch.equal(load(tmp_path / "food").model.head.bias, state["classifier.1.bias"])


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_a_checkpoint_of_another_precision_has_nearly_the_same_scores(
    dtype: torch.dtype, state: dict[str, Tensor], tmp_path: Path
):
    found = []
    for kind in (torch.float32, dtype):
        cast = {name: one.to(kind) if one.is_floating_point() else one for name, one in state.items()}
        torch.save(cast, tmp_path / f"{kind}.pth")
        assert run(tmp_path / f"{kind}.pth", tmp_path / f"{kind}", "--classes", NAMES).exit_code == 0
        family = load(tmp_path / f"{kind}")
        assert family.model.head.weight.dtype == torch.float32
        found.append(scores(family))
    torch.testing.assert_close(found[1], found[0], rtol=0, atol=5e-3)


def test_a_network_with_newer_weights_is_converted_with_a_hint(tmp_path: Path):
    tensors = Classifier("resnet50", len(CLASSES)).state_dict()
    state = {name.removeprefix("backbone.").replace("head.", "fc."): one for name, one in tensors.items()}
    torch.save(state, tmp_path / "food.pth")
    done = run(tmp_path / "food.pth", tmp_path / "older", "--classes", NAMES)
    assert "trained from IMAGENET1K_V2 (DEFAULT), convert it again with --resize 232\n" in done.output
    done = run(tmp_path / "food.pth", tmp_path / "newer", "--classes", NAMES, "--resize", "232")
    assert done.exit_code == 0
    assert "note:" not in done.output
    done = run(tmp_path / "food.pth", tmp_path / "bicubic", "--classes", NAMES, "--resample", "bicubic")
    assert "--resize 232\n" in done.output


def test_mean_and_deviation_of_the_training_can_be_given(state: dict[str, Tensor], tmp_path: Path):
    torch.save(state, tmp_path / "food.pth")
    given = ["--mean", "0.5,0.5,0.5", "--std", "0.5, 0.25,1"]
    done = run(tmp_path / "food.pth", tmp_path / "food", "--classes", NAMES, *given)
    assert done.exit_code == 0, done.output
    transforms = load(tmp_path / "food").config.transforms
    assert (transforms.mean, transforms.std) == ((0.5, 0.5, 0.5), (0.5, 0.25, 1.0))


@pytest.mark.parametrize("share", [0.01, 0.5, 0.99])
@pytest.mark.parametrize("zipped", [True, False])
def test_a_truncated_file_is_refused_in_one_line(share: float, zipped: bool, state: dict[str, Tensor], tmp_path: Path):
    torch.save(state, tmp_path / "whole.pth", _use_new_zipfile_serialization=zipped)
    whole = (tmp_path / "whole.pth").read_bytes()
    (tmp_path / "food.pth").write_bytes(whole[: int(len(whole) * share)])
    done = run(tmp_path / "food.pth", tmp_path / "food", "--classes", NAMES)
    assert done.exit_code == 1
    (line,) = done.output.strip().splitlines()
    assert line.startswith(f"convert: {tmp_path / 'food.pth'} is ")
    assert "broken download: get the whole file" in line


def refusal(state: Any, folder: Path, *more: str) -> str:
    """The message of a refused conversion, which is one line and leaves no files."""
    torch.save(state, folder / "food.pth")
    done = run(folder / "food.pth", folder / "recipes" / "food", *more)
    assert done.exit_code == 1
    assert not list(folder.glob("recipes/*"))
    (line,) = done.output.strip().splitlines()
    assert line.startswith("convert: ")
    return line


def test_another_number_of_classes_is_refused_with_both_numbers(state: dict[str, Tensor], tmp_path: Path):
    assert "names 2 classes (pizza, steak), and the checkpoint's head has 3" in refusal(
        state, tmp_path, "--classes", "pizza,steak"
    )


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (["--classes", "pizza,pizza,sushi"], "--classes has 'pizza' twice"),
        (["--classes", "pizza"], "takes at least two names"),
        (["--classes", "pizza,,sushi"], "takes at least two names"),
        (["--classes", ""], "takes at least two names"),
        (["--classes", NAMES, "--crop", "300"], "crop 300 is larger than resize 256"),
        (["--classes", NAMES, "--resample", "nearest"], "resample: Input should be 'bilinear' or 'bicubic'"),
        (["--classes", NAMES, "--mean", "123.7,116.3,103.5"], "mean.0: Input should be less than or equal to 1"),
        (["--classes", NAMES, "--std", "0.5"], "std.1: Field required"),
        (["--classes", NAMES, "--vocab", "vocab.pkl"], "--vocab came with options of another kind of model"),
        (["--resize", "200"], "missing: --classes"),
    ],
)
def test_faulty_options_are_refused_with_what_is_allowed(
    given: list[str], message: str, state: dict[str, Tensor], tmp_path: Path
):
    assert message in refusal(state, tmp_path, *given)


def test_a_head_of_several_layers_is_refused(state: dict[str, Tensor], tmp_path: Path):
    deep = {**state, "classifier.3.weight": torch.ones(3, 3), "classifier.3.bias": torch.ones(3)}
    assert "it takes a head of one linear layer" in refusal(deep, tmp_path, "--classes", NAMES)


def test_a_checkpoint_without_a_head_is_refused(state: dict[str, Tensor], tmp_path: Path):
    headless = {name: tensor for name, tensor in state.items() if not name.startswith("classifier")}
    assert "has no head" in refusal(headless, tmp_path, "--classes", NAMES)


def test_a_tensor_of_another_shape_is_named(state: dict[str, Tensor], tmp_path: Path):
    odd = {**state, "features.0.0.weight": torch.ones(16, 3, 3, 3)}
    line = refusal(odd, tmp_path, "--classes", NAMES)
    assert "nearest to efficientnet_b0, but 1 tensors differ: features.0.0.weight is [16, 3, 3, 3], not [32" in line


def test_another_network_is_refused_with_those_that_are_taken(tmp_path: Path):
    line = refusal({"features.0.weight": torch.ones(8, 3, 3, 3)}, tmp_path, "--classes", NAMES)
    assert "none of torchvision's models that can be converted; it takes: efficientnet_b0, " in line
