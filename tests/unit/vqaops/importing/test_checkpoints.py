"""Checkpoints as trainers leave them: the weights are read, whatever else the file holds is named, nothing is run."""

from __future__ import annotations

import argparse
import collections
import datetime
import decimal
import enum
import pathlib
import random
import re
import types
import uuid
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from vqaops.importing.checkpoints import read_checkpoint
from vqaserve.errors import RecipeError

WEIGHTS = {"fc.weight": torch.arange(6.0).view(2, 3), "fc.bias": torch.tensor([1.0, 2.0])}


class Kind(enum.Enum):
    CNN = "cnn"


class Settings(dict[str, Any]):
    """A dictionary of its own class, as easydict, yacs and Lightning have one."""


@dataclass
class Node:
    """As OmegaConf keeps a value."""

    _val: object


class DictConfig:
    """As OmegaConf keeps a mapping."""

    def __init__(self, **values: object) -> None:
        self._content = {name: Node(value) for name, value in values.items()}


class History(list[float]):
    pass


class Slotted:
    __slots__ = ("value",)

    def __init__(self) -> None:
        self.value = 1


class Tagged(torch.Tensor):
    pass


def saved(path: Path, content: object, **options: Any) -> Path:
    torch.save(content, path / "model.pth", **options)
    return path / "model.pth"


def assert_weights(path: Path, names: dict[str, torch.Tensor] = WEIGHTS) -> None:
    tensors = read_checkpoint(path).tensors
    assert sorted(tensors) == sorted(names)
    for name, tensor in tensors.items():
        torch.testing.assert_close(tensor, names[name], rtol=0, atol=0)


WRAPPED = {
    "bare": WEIGHTS,
    "OrderedDict": collections.OrderedDict(WEIGHTS),
    "model_state_dict": {"model_state_dict": WEIGHTS, "epoch": 1},
    "Lightning": {"state_dict": WEIGHTS, "callbacks": {"ModelCheckpoint": {"best": torch.tensor(1.0)}}, "loops": {}},
    "DeiT, fairseq": {"model": WEIGHTS, "optimizer": {"state": {"fc.weight": {"exp_avg": torch.zeros(2)}}}},
    "DeepSpeed": {"module": WEIGHTS, "global_steps": 3, "dp_world_size": 1},
    "two deep": {"checkpoint": {"model": {"state_dict": WEIGHTS}, "optimizer": {}}},
    "EMA alone": {"ema_state_dict": WEIGHTS, "decay": 0.9},
    "EMA's shadow": {"ema": {"decay": 0.9, "shadow": WEIGHTS}},
    "a name of its own": {"vqa_weights": WEIGHTS, "metrics": {"acc": torch.tensor(0.5)}},
    "loss as a tensor": {"state_dict": WEIGHTS, "loss": torch.tensor(0.5), "step": torch.tensor(3)},
    "extra state": {**WEIGHTS, "fc._extra_state": {"scale": torch.ones(1)}},
    "parameters": {name: nn.Parameter(tensor) for name, tensor in WEIGHTS.items()},
    "numbers among tensors": {**WEIGHTS, "epoch": 3, "name": "best"},
}


@pytest.mark.parametrize("content", WRAPPED.values(), ids=WRAPPED)
@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "legacy"])
def test_weights_are_found_in_every_trainers_file(tmp_path: Path, content: object, zipped: bool):
    assert_weights(saved(tmp_path, content, _use_new_zipfile_serialization=zipped))


def test_the_weights_are_taken_and_not_their_running_average(tmp_path: Path):
    average = {name: tensor + 1 for name, tensor in WEIGHTS.items()}
    for content in (
        {"ema_state_dict": average, "state_dict": WEIGHTS},
        {"ema": {"model": average}, "net": WEIGHTS},
        {"model_ema": average, "model": WEIGHTS},
        {"model": WEIGHTS, "ema": {"shadow": average}},
        {"averaged_model": {"module": average}, "network": WEIGHTS},
    ):
        path = saved(tmp_path, content)
        assert_weights(path)
        assert any("ema" in name or "average" in name for name in read_checkpoint(path).passed_over)


BESIDE = {
    "numpy number": np.float64(0.18),
    "numpy array": np.array([1.0, 0.5]),
    "numpy type": np.dtype("float32"),
    "numpy random state": np.random.RandomState(0).get_state(),
    "numpy generator": np.random.default_rng(0),
    "numpy text": np.str_("best"),
    "numpy date": np.datetime64("2025-01-01"),
    "numpy records": np.zeros(2, dtype=[("a", "f4"), ("b", "i8")]),
    "Namespace": argparse.Namespace(lr=0.1, out=pathlib.Path("runs")),
    "SimpleNamespace": types.SimpleNamespace(lr=0.1),
    "path": pathlib.Path("data"),
    "pure path": pathlib.PureWindowsPath("C:\\data"),
    "date": datetime.datetime(2025, 1, 1, tzinfo=datetime.UTC),
    "duration": datetime.timedelta(seconds=3),
    "Counter": collections.Counter("abc"),
    "defaultdict": collections.defaultdict(list, loss=[1.0]),
    "deque": collections.deque([1, 2]),
    "enum": Kind.CNN,
    "set": {1, 2},
    "frozenset": frozenset({"a"}),
    "complex number": 1j,
    "bytes": b"\xff\x00",
    "bytearray": bytearray(b"ab"),
    "range": range(3),
    "slice": slice(1, 2),
    "type": dict,
    "function": np.mean,
    "decimal": decimal.Decimal("0.1"),
    "uuid": uuid.UUID(int=1),
    "random state": random.getstate(),
    "torch.Size": torch.Size([1, 2]),
    "torch.dtype": torch.bfloat16,
    "torch.device": torch.device("cuda:0"),
    "torch random state": torch.get_rng_state(),
    "sparse tensor": torch.eye(3).to_sparse(),
    "dict of an unknown class": Settings(lr=0.1, data=Settings(path="x")),
    "list of an unknown class": History([1.0, 2.0]),
    "slots": Slotted(),
    "OmegaConf": DictConfig(lr=0.1),
    "optimizer": torch.optim.Adam([nn.Parameter(torch.zeros(2))]).state_dict(),
    "whole optimizer": torch.optim.SGD([nn.Parameter(torch.zeros(2))], lr=0.1),
    "whole scheduler": torch.optim.lr_scheduler.StepLR(torch.optim.SGD([nn.Parameter(torch.zeros(2))], lr=0.1), 2),
    "bound method": History([1.0]).append,
}


@pytest.mark.filterwarnings("ignore::UserWarning", "ignore::DeprecationWarning")
@pytest.mark.parametrize("protocol", [1, 2, 4])
@pytest.mark.parametrize("beside", BESIDE.values(), ids=BESIDE)
def test_what_lies_beside_the_weights_is_passed_over_and_named(tmp_path: Path, beside: object, protocol: int):
    try:
        path = saved(tmp_path, {"state_dict": WEIGHTS, "beside": beside}, pickle_protocol=protocol)
    except (TypeError, AttributeError) as error:
        pytest.skip(f"cannot be pickled so: {error}")
    assert_weights(path)
    (named,) = read_checkpoint(path).passed_over
    assert named.startswith("beside")


def test_an_unknown_class_is_named(tmp_path: Path):
    path = saved(tmp_path, {"model": WEIGHTS, "args": argparse.Namespace(lr=0.1), "epoch": 3})
    assert read_checkpoint(path).passed_over == ("args (argparse.Namespace)", "epoch")


TENSORS = {
    "transposed": torch.arange(6.0).view(2, 3).t(),
    "a view": torch.arange(10.0)[3:7],
    "expanded": torch.ones(1, 3).expand(4, 3),
    "empty": torch.empty(0, 3),
    "a number": torch.tensor(3),
    "half": torch.ones(2, dtype=torch.float16),
    "bfloat16": torch.ones(2, dtype=torch.bfloat16),
    "uint16": torch.ones(2, dtype=torch.uint16),
    "float8": torch.ones(2).to(torch.float8_e4m3fn),
    "bool": torch.tensor([True, False]),
    "complex": torch.ones(2, dtype=torch.complex64),
    "with a gradient": torch.ones(2, requires_grad=True),
    "of a subclass": torch.ones(2).as_subclass(Tagged),
}


@pytest.mark.parametrize("tensor", TENSORS.values(), ids=TENSORS)
def test_tensors_of_every_layout_and_type_are_read(tmp_path: Path, tensor: torch.Tensor):
    found = read_checkpoint(saved(tmp_path, {"w.x": tensor})).tensors["w.x"]
    assert (found.dtype, found.shape, type(found)) == (tensor.dtype, tensor.shape, torch.Tensor)
    assert found.tolist() == tensor.detach().tolist()


def test_a_module_that_was_saved_whole_gives_its_state_dict(tmp_path: Path):
    model = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3), nn.DataParallel(nn.LSTM(3, 2)))
    model.register_buffer("scratch", torch.zeros(1), persistent=False)
    for content in (model, {"model": model, "epoch": 1}):
        assert_weights(saved(tmp_path, content), model.state_dict())


CONFIGS = {
    "dict": {"config": {"fusion_type": "bilinear", "dim": 3}},
    "numpy number": {"config": {"fusion_type": "bilinear", "dim": np.int64(3)}},
    "Namespace": {"args": argparse.Namespace(fusion_type="bilinear", dim=3)},
    "dict of an unknown class": {"hyper_parameters": Settings(fusion_type="bilinear", dim=3)},
    "nested": {"hyper_parameters": {"lr": 0.1, "config": {"fusion_type": "bilinear", "dim": 3}}},
    "OmegaConf": {"cfg": DictConfig(fusion_type="bilinear", dim=3)},
    "beside another": {"config": {"lr": 0.1}, "hparams": {"fusion_type": "bilinear", "dim": 3}},
}


@pytest.mark.parametrize("content", CONFIGS.values(), ids=CONFIGS)
def test_the_architecture_is_read_from_every_kind_of_config(tmp_path: Path, content: dict[str, object]):
    path = saved(tmp_path, {"state_dict": WEIGHTS, **content})
    config = read_checkpoint(path, ["fusion_type"]).config
    assert (config["fusion_type"], config["dim"]) == ("bilinear", 3)


@pytest.mark.parametrize(
    ("beside", "name"),
    [
        (np.ones(2), "numpy.ndarray"),
        (np.array([1, "a", None], dtype=object), "numpy.ndarray"),
        (np.ma.array([1, 2], mask=[0, 1]), "numpy.ma.MaskedArray"),
        (np.random.default_rng(0), "numpy.random.Generator"),
        (re.compile("a"), "re.Pattern"),
        (torch.eye(2).to_sparse(), "a sparse tensor"),
        (torch.device("cpu"), "torch.device"),
        (torch.Size([1]), "torch.Size"),
    ],
)
def test_what_is_passed_over_is_called_by_its_class_and_not_by_the_function_that_makes_it(
    tmp_path: Path, beside: object, name: str
):
    path = tmp_path / "model.pth"
    torch.save({"model_state_dict": WEIGHTS, "x": beside}, path)
    assert read_checkpoint(path).passed_over == (f"x ({name})",)


def test_an_enum_in_a_config_is_its_value(tmp_path: Path):
    path = saved(tmp_path, {"state_dict": WEIGHTS, "config": {"image_encoder_type": Kind.CNN}})
    assert read_checkpoint(path, ["image_encoder_type"]).config == {"image_encoder_type": "cnn"}


def test_safetensors_under_another_name_are_read(tmp_path: Path):
    save_file(WEIGHTS, tmp_path / "model.pth")
    assert_weights(tmp_path / "model.pth")


with warnings.catch_warnings(action="ignore"):  # torch calls quantized tensors deprecated
    QUANTIZED = torch.quantize_per_tensor(torch.ones(2), 0.1, 0, torch.qint8)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([1, 2], "is not a state dict: it holds a list; save the weights alone"),
        ({"epoch": 1, "args": argparse.Namespace()}, r"it holds epoch, args \(argparse.Namespace\); save the weights"),
        ({}, "it holds nothing; save the weights alone"),
        (argparse.Namespace(), "it holds an object of argparse.Namespace; save the weights alone"),
        ({"student": WEIGHTS, "teacher": WEIGHTS}, "holds several models: student, teacher; save the weights alone"),
        ({**WEIGHTS, "w.q": np.ones(2)}, r"holds w.q \(numpy.ndarray\) among its weights, not a plain tensor"),
        (
            {**WEIGHTS, "w.q": torch.eye(2).to_sparse()},
            r"holds w.q \(a sparse tensor\) among its weights, .*`.to_dense\(\)`",
        ),
        ({**WEIGHTS, "w.q": QUANTIZED}, r"holds w.q \(a quantized tensor\) among its weights, .*`.dequantize\(\)`"),
        ({**WEIGHTS, "w.q": torch.ones(2, device="meta")}, r"holds w.q \(a tensor without values \(meta\)\) among"),
    ],
)
def test_a_file_without_weights_says_what_it_holds_and_what_to_do(tmp_path: Path, content: object, message: str):
    with pytest.raises(RecipeError, match=message):
        read_checkpoint(saved(tmp_path, content))
