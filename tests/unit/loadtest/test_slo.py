"""Limits, figures, verdicts."""

from __future__ import annotations

from pathlib import Path

import pytest

from loadtest.slo import Figures, Limits, judge, read_limits
from vqaops.paths import ROOT

MEASURED = {"Chat": Figures(p95=95, p99=99, failure_ratio=0.01, throughput=10)}


def test_each_limit_gets_a_verdict():
    limits = Limits(p95=95, p99=98, failure_ratio=0.01, throughput=10.1)
    verdicts = {one.limit: one.kept for one in judge(MEASURED, {"Chat": limits}, fixed_rate=False)}
    assert verdicts == {"p95": True, "p99": False, "failure_ratio": True, "throughput": False}


def test_a_kind_that_asked_nothing_is_not_judged():
    assert judge(MEASURED, {"Popular": Limits(p95=1)}, fixed_rate=False) == []


def test_at_a_fixed_rate_throughput_is_no_merit():
    assert judge(MEASURED, {"Chat": Limits(throughput=1000)}, fixed_rate=True) == []


def test_a_verdict_names_kind_limit_and_figures():
    (verdict,) = judge(MEASURED, {"Chat": Limits(p99=98)}, fixed_rate=False)
    assert str(verdict).split() == ["BREACHED", "Chat", "p99", "99", "<=", "98"]


def test_the_shipped_limits_cover_every_kind_of_user():
    limits = read_limits(ROOT / "loadtest" / "slo.yaml")
    assert set(limits) == {"SingleQuestion", "Chat", "Popular", "Mixed"}
    assert all(None not in promised.model_dump().values() for promised in limits.values())


@pytest.mark.parametrize("text", ["Chat: {p90: 1}", "Chat: {p95: -1}", "- 1", "Chat: {failure_ratio: 2}", "{", None])
def test_a_file_that_says_something_else_is_refused(tmp_path: Path, text: str | None):
    file = tmp_path / "slo.yaml"
    if text is not None:
        file.write_text(text)
    with pytest.raises(SystemExit, match=r"slo.yaml.*see loadtest/slo.yaml"):
        read_limits(file)
