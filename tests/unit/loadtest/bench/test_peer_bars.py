"""Bars from a report of `make peers`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from loadtest.bench.peer_bars import FLOOR, OURS, peer_bars


def workloads(**cpu_ms: float) -> dict[str, object]:
    return {"workloads": {name: {"answers": 10 if value else 0, "cpu_ms": value} for name, value in cpu_ms.items()}}


@pytest.fixture
def report(tmp_path: Path) -> Path:
    servers = {
        OURS: workloads(alone=8, busy=3, ours_alone=1),
        "one": workloads(alone=4, busy=3.004),
        "another": workloads(alone=5, busy=0),  # without answers its 0 is not the best
        FLOOR: workloads(batch_1=3.5, batch_16=1.75),
    }
    file = tmp_path / "report.json"
    file.write_text(json.dumps({"measured": "2026-01-02T03:04:05+00:00", "models": {"shapes": servers}}))
    return file


def test_ours_is_compared_with_the_best_other_server_in_each_workload(report: Path):
    alone, busy = peer_bars("shapes", report)
    assert (alone.value, alone.status, busy.value, busy.status) == ("2.00", "missed", "1.00", "pass")
    assert "8.00 ms against 4.00 of one, and 1.75 of the floor" in alone.reason
    assert "2026-01-02T03:04" in busy.reason
    assert "no Java" in alone.reason
    assert "no Java" not in busy.reason


@pytest.mark.parametrize("model", ["rooms", "shapes"])
def test_a_model_without_figures_is_not_measured(model: str, report: Path, tmp_path: Path):
    (bar,) = peer_bars(model, report if model == "rooms" else tmp_path / "none.json")
    assert (bar.status, bar.value) == ("not measured", "")
    assert "make peers" in bar.reason
