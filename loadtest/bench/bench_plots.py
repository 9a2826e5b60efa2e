"""Plots of a benchmark: throughput and latency against connections, and the breakdown of the latency."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from matplotlib.figure import Figure

from loadtest.bench.bench_result import BenchResult
from loadtest.bench.latency_breakdown import latency_breakdown
from loadtest.bench.workloads import closed_name


def plot_closed_loops(result: BenchResult, path: Path) -> None:
    """Plot answers per second and latency of the closed loops with unseen pictures."""
    connections = result.plan.connections
    loops = [result.workloads[closed_name("unique", count)] for count in connections]
    figure = Figure(figsize=(9, 3.6), layout="constrained")
    left, right = figure.subplots(1, 2)
    left.plot(connections, [loop.rate for loop in loops], marker="o", label="server")
    left.axhline(result.floor.rate, color="grey", linestyle="--", label=result.floor.name)
    left.set(ylabel="answers per second", ylim=(0, None))
    for percent in (50, 95, 99):
        right.plot(connections, [loop.percentile_ms(percent) for loop in loops], marker="o", label=f"p{percent}")
    right.set(ylabel="latency, ms", ylim=(0, None))
    for axes in (left, right):
        axes.set_xlabel("connections")
        axes.set_xticks(connections)
        axes.legend()
    figure.suptitle(f"{result.name}: unseen pictures")
    figure.savefig(path, dpi=120)


def plot_breakdowns(results: Mapping[str, BenchResult], path: Path) -> None:
    """Plot one bar for each model: the parts of the latency at one connection, in percent."""
    figure = Figure(figsize=(9, 1.2 + 0.8 * len(results)), layout="constrained")
    axes = figure.subplots()
    breakdowns = [latency_breakdown(result) for result in results.values()]
    left = [0.0] * len(results)
    for name in dict.fromkeys(part.name for parts in breakdowns for part in parts):
        widths = []
        for parts in breakdowns:
            whole = sum(part.server_ms for part in parts)
            widths.append(100 * sum(part.server_ms for part in parts if part.name == name) / whole)
        axes.barh(list(results), widths, left=left, label=name)
        left = [start + width for start, width in zip(left, widths, strict=True)]
    axes.set(xlabel="share of the latency at one connection, %", xlim=(0, 100))
    axes.invert_yaxis()
    axes.legend(loc="upper left", bbox_to_anchor=(1, 1), fontsize="small")
    figure.savefig(path, dpi=120)
