"""Bars from a report of `make peers`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from loadtest.bench.beside import FLOOR, OURS, bars_beside_others


def ways(**cpu_ms: float) -> dict[str, object]:
    return {"ways": {name: {"answers": 10 if value else 0, "cpu_ms": value} for name, value in cpu_ms.items()}}


@pytest.fixture
def report(tmp_path: Path) -> Path:
    servers = {
        OURS: ways(alone=8, busy=3, ours_alone=1),
        "one": ways(alone=4, busy=3.004),
        "another": ways(alone=5, busy=0),  # has answered nothing there, which is not the least
        FLOOR: ways(batch_1=3.5, batch_16=1.75),
    }
    file = tmp_path / "report.json"
    file.write_text(json.dumps({"measured": "2026-01-02T03:04:05+00:00", "models": {"shapes": servers}}))
    return file


def test_ours_is_set_against_the_best_other_server_in_each_way(report: Path):
    alone, busy = bars_beside_others("shapes", report)
    assert (alone.value, alone.verdict, busy.value, busy.verdict) == ("2.00", "missed", "1.00", "pass")
    assert "8.00 ms against 4.00 of one and 1.75 of the bare model" in alone.reason
    assert "2026-01-02T03:04" in busy.reason
    assert "no Java" in alone.reason
    assert "no Java" not in busy.reason


@pytest.mark.parametrize("model", ["rooms", "shapes"])
def test_what_was_not_measured_is_said_to_be_not_shown(model: str, report: Path, tmp_path: Path):
    (bar,) = bars_beside_others(model, report if model == "rooms" else tmp_path / "none.json")
    assert (bar.verdict, bar.value) == ("not shown", "")
    assert "make peers" in bar.reason
