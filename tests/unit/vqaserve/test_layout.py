"""Workers and threads for the cores and the memory of the machine that serves."""

from __future__ import annotations

from typing import Any

import pytest

from vqaserve import layout
from vqaserve.errors import RecipeError
from vqaserve.layout import Layout, Room
from vqaserve.settings import ModelConfig

GIB = 2**30
CONFIG = {
    "minWorkers": "auto",
    "maxWorkers": "auto",
    "batchSize": 8,
    "maxBatchDelay": 1,
    "handler": {"version": "1.0.0", "family": "dummy", "threads": "auto"},
}


@pytest.mark.parametrize(
    ("room", "weights", "expected"),
    [
        (Room(2, 8 * GIB), 0, Layout(2, 1)),
        (Room(2, 8 * GIB), GIB // 2, Layout(2, 1)),
        (Room(16, 32 * GIB), GIB // 2, Layout(15, 1)),
        (Room(16, 32 * GIB), 4 * GIB, Layout(2, 8)),  # 22.4 GiB hold two workers of 8.5
        (Room(4, GIB), 8 * GIB, Layout(1, 4)),  # too little memory for any: the worker's own failure says so
        (Room(16, 64 * GIB, gpu=True), GIB, Layout(1, 16)),
    ],
)
def test_a_worker_for_each_core_and_fewer_where_memory_is_short(room: Room, weights: int, expected: Layout):
    assert room.layout(weights) == expected


def machine(monkeypatch: pytest.MonkeyPatch, cores: int, memory: int) -> None:
    for name, value in {"usable_cores": cores, "usable_memory": memory, "has_gpu": False}.items():
        monkeypatch.setattr(layout, name, lambda value=value: value)


def test_a_config_is_read_with_numbers_and_fitted_to_another_machine(monkeypatch: pytest.MonkeyPatch):
    machine(monkeypatch, cores=2, memory=8 * GIB)
    built = ModelConfig.parse(CONFIG)
    assert (built.minWorkers, built.maxWorkers, built.handler.threads) == (2, 2, 1)
    assert built.auto == ("workers", "threads")
    written = {**CONFIG, "minWorkers": 2, "maxWorkers": 2, "auto": ["workers", "threads"]}
    written["handler"] = {**CONFIG["handler"], "threads": 1}
    machine(monkeypatch, cores=16, memory=32 * GIB)
    served = ModelConfig.parse(written).fitted(4 * GIB)
    assert (served.minWorkers, served.maxWorkers, served.handler.threads) == (2, 2, 8)
    assert ModelConfig.parse(written).fitted(0).minWorkers == 16


def test_numbers_of_the_recipe_stay(monkeypatch: pytest.MonkeyPatch):
    machine(monkeypatch, cores=16, memory=32 * GIB)
    config = ModelConfig.parse({**CONFIG, "minWorkers": 2, "maxWorkers": 3})
    assert (config.auto, config.handler.threads) == (("threads",), 8)
    assert config.fitted(0) == config
    fixed = ModelConfig.parse(
        {**CONFIG, "minWorkers": 2, "maxWorkers": 3, "handler": {**CONFIG["handler"], "threads": 3}}
    )
    assert fixed.fitted(0) == fixed


@pytest.mark.parametrize("counts", [{"minWorkers": 2}, {"maxWorkers": 2}])
def test_one_count_of_workers_alone_is_refused(counts: dict[str, Any]):
    with pytest.raises(RecipeError, match=r"both are auto, or both are numbers"):
        ModelConfig.parse({**CONFIG, **counts})
