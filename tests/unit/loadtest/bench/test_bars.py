from __future__ import annotations

from loadtest.bench.bars import bars_of, fp32_agreement
from loadtest.bench.bench_result import Agreement, BenchResult
from loadtest.bench.plan import BenchPlan
from loadtest.bench.results import Measurement, WorkloadResult
from loadtest.bench.workloads import closed_name, eager_name, floor_name
from loadtest.process_usage import CpuSeconds


def test_agreement_with_fp32_passes_from_99_percent_and_names_the_number_of_pairs():
    assert fp32_agreement("vilt", Agreement(381, 384)).status == "pass"
    missed = fp32_agreement("vilt", Agreement(380, 384))
    assert (missed.value, missed.status) == ("98.96%", "missed")
    assert "380 of 384 pairs" in missed.reason


PLAN = BenchPlan(connections=(1, 16), batches=(1, 8))


def measured(name: str, cpu_ms: float, rate: float) -> WorkloadResult:
    """Ten answers, each with the same cost and latency."""
    found = Measurement(10, [1 / rate] * 10, 10 / rate, CpuSeconds(0.0, cpu_ms / 100))
    return WorkloadResult(name, measurements=[found])


def vilt(**others: tuple[float, float]) -> BenchResult:
    costs = {
        floor_name(1): (139, 7),
        floor_name(8): (130, 8),
        floor_name(1, 2): (150, 14),
        floor_name(8, 2): (142, 15),
        closed_name("unique", 1): (147, 8),
        closed_name("unique", 16): (150, 13),
        closed_name("zipf", 16): (45, 70),
        **others,
    }
    workloads = {name: measured(name, *figures) for name, figures in costs.items()}
    return BenchResult("vilt", PLAN, workloads, [], None, [], None, processes=2)


def test_the_floor_of_the_bars_runs_in_as_many_processes_as_there_are_workers():
    bar = next(bar for bar in bars_of({"vilt": vilt()}) if "floor CPU / server CPU" in bar.what)
    assert (bar.value, bar.status) == ("0.95", "pass")
    assert "142.00 ms (2 processes, batch 8)" in bar.reason
    assert "one process alone takes 130.0 (0.87)" in bar.reason


def test_other_servers_with_eager_transformers_are_compared_in_cost_rate_and_latency():
    others = {eager_name("mosec", 16): (250, 8), eager_name("FastAPI", 1): (240, 4)}
    bars = {bar.what: bar for bar in bars_of({"vilt": vilt(**others)}) if "eager" in bar.what}
    assert [(bar.value, bar.status) for bar in bars.values()] == [("0.60", "pass"), ("1.62", "pass"), ("0.50", "pass")]


def test_a_server_that_is_not_installed_leaves_its_bars_unmeasured():
    bars = [bar for bar in bars_of({"vilt": vilt()}) if "eager" in bar.what]
    assert {bar.status for bar in bars} == {"not measured"}
    assert all("install it: .venv/bin/pip install" in bar.reason for bar in bars)
