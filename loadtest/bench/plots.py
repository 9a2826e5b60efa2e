"""Throughput and latency against connections, and where the time of one request goes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from matplotlib.figure import Figure

from loadtest.bench.life import life_of
from loadtest.bench.measuring import Measured, closed_name


def plot_loops(measured: Measured, path: Path) -> None:
    """Answers per second and latency of the closed loops with new pictures."""
    connections = measured.plan.connections
    totals = [measured.totals[closed_name("unique", lanes)] for lanes in connections]
    figure = Figure(figsize=(9, 3.6), layout="constrained")
    left, right = figure.subplots(1, 2)
    left.plot(connections, [total.rate for total in totals], marker="o", label="server")
    left.axhline(measured.floor.rate, color="grey", linestyle="--", label=f"{measured.floor.name} (one process)")
    left.set(ylabel="answers per second", ylim=(0, None))
    for share in (50, 95, 99):
        right.plot(connections, [total.percentile_ms(share) for total in totals], marker="o", label=f"p{share}")
    right.set(ylabel="latency, ms", ylim=(0, None))
    for axes in (left, right):
        axes.set_xlabel("connections")
        axes.set_xticks(connections)
        axes.legend()
    figure.suptitle(f"{measured.name}: every picture new")
    figure.savefig(path, dpi=120)


def plot_lives(results: Mapping[str, Measured], path: Path) -> None:
    """One bar for each model: the stages of a request at one connection, as shares of its latency."""
    figure = Figure(figsize=(9, 1.2 + 0.8 * len(results)), layout="constrained")
    axes = figure.subplots()
    stages = list(dict.fromkeys(step.name for measured in results.values() for step in life_of(measured)))
    left = [0.0] * len(results)
    for stage in stages:
        widths = []
        for measured in results.values():
            life = life_of(measured)
            whole = sum(step.server_ms for step in life)
            widths.append(100 * sum(step.server_ms for step in life if step.name == stage) / whole)
        axes.barh(list(results), widths, left=left, label=stage)
        left = [start + width for start, width in zip(left, widths, strict=True)]
    axes.set(xlabel="share of the latency at one connection, %", xlim=(0, 100))
    axes.invert_yaxis()
    axes.legend(loc="upper left", bbox_to_anchor=(1, 1), fontsize="small")
    figure.savefig(path, dpi=120)
