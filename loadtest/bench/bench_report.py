"""The report of a benchmark: JSON, Markdown, plots, and tables on the terminal."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.console import Console

from loadtest.bench.bars import Bar, bars_of
from loadtest.bench.bench_plots import plot_breakdowns, plot_closed_loops
from loadtest.bench.bench_result import BenchResult
from loadtest.bench.latency_breakdown import latency_breakdown
from loadtest.bench.mixes import CATALOGUE_SIZE, CHAT_LENGTH
from loadtest.bench.peer_bars import peer_bars
from loadtest.bench.results import WorkloadResult
from loadtest.report_tables import describe_machine, describe_processor, markdown_table, terminal_table
from loadtest.zipf import EXPONENT

COLUMNS = (
    "",
    "answers/s",
    "CPU ms",
    "Java",
    "workers",
    "batch",
    "floor/CPU",
    "p50 ms",
    "p95 ms",
    "p99 ms",
    "client ms",
    "not right",
)
BAR_COLUMNS = ("bar", "measured", "wanted", "", "figures")
BREAKDOWN_COLUMNS = ("model", "part", "ms", "floor, batch 1", "worker, under load")


def write_report(results: Mapping[str, BenchResult], folder: Path) -> list[Bar]:
    """Write ``<model>.json`` and ``<model>.png``, ``stages.png`` and ``report.md``; return the bars."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, result in results.items():
        (folder / f"{name}.json").write_text(json.dumps(figures_of(result), indent=2) + "\n", encoding="utf-8")
        plot_closed_loops(result, folder / f"{name}.png")
    plot_breakdowns(results, folder / "stages.png")
    bars = [*bars_of(results), *(bar for name in results for bar in peer_bars(name))]
    (folder / "report.md").write_text(_markdown(results, bars), encoding="utf-8")
    return bars


def show(results: Mapping[str, BenchResult], bars: Sequence[Bar], console: Console) -> None:
    """Print the tables."""
    for name, result in results.items():
        title = f"{name}: cost of an answer ({describe_processor()})"
        console.print(terminal_table(title, COLUMNS, [_rows(result)], 1))
    console.print(terminal_table(f"Bars ({describe_processor()})", BAR_COLUMNS, [_bar_rows(bars)], len(BAR_COLUMNS)))


def figures_of(result: BenchResult) -> dict[str, Any]:
    """Return all figures of one model, as the JSON report holds them."""
    return {
        "model": result.name,
        "machine": describe_machine(),
        "measured": datetime.now(UTC).isoformat(timespec="seconds"),
        "rounds": result.plan.rounds,
        "seconds": result.plan.seconds,
        "best_floor": result.floor.name,
        "start_seconds": result.start_seconds,
        "worker_seconds": result.worker_seconds,
        "worker_resident_mb": [memory.resident for memory in result.memory],
        "worker_own_mb": [memory.own for memory in result.memory],
        "agreement_with_fp32": result.agreement and asdict(result.agreement),
        "workloads": {name: _figures(one) for name, one in result.workloads.items()},
        "latency_breakdown_ms": {part.name: part.server_ms for part in latency_breakdown(result)},
    }


def _figures(result: WorkloadResult) -> dict[str, Any]:
    return {
        "answers": result.answers,
        "rate": result.rate,
        "cpu_ms": result.cpu_ms,
        "java_ms": result.java_ms,
        "workers_ms": result.workers_ms,
        "client_ms": result.client_ms,
        **{f"p{percent}_ms": result.percentile_ms(percent) for percent in (50, 95, 99)},
        "ties": result.ties,
        "wrong": result.wrong,
        "refused": result.refused,
        "batch": result.batch,
        "stages_ms": result.stages_ms,
        "gpu_busy": result.gpu_busy,
    }


def _rows(result: BenchResult) -> list[list[str]]:
    floor = result.floor.cpu_ms
    return [_row(one, floor) for one in result.workloads.values()]


def _row(result: WorkloadResult, floor: float) -> list[str]:
    gpu = f"GPU {result.gpu_busy:.0%} busy" if result.gpu_busy is not None else ""
    split = [f"{result.java_ms:.2f}", f"{result.workers_ms:.2f}"] if result.from_server else ["", ""]
    return [
        result.name,
        f"{result.rate:.1f}",
        f"{result.cpu_ms:.2f}",
        *split,
        f"{result.batch:.1f}" if result.batch else "",
        f"{floor / result.cpu_ms:.2f}",
        *(f"{result.percentile_ms(percent):.1f}" for percent in (50, 95, 99)),
        f"{result.client_ms:.2f}" if result.from_server else "",
        ", ".join(filter(None, [result.anomalies(), gpu])),
    ]


def _bar_rows(bars: Sequence[Bar]) -> list[list[str]]:
    return [[bar.what, bar.value, bar.bar, bar.status, bar.reason] for bar in bars]


def _markdown(results: Mapping[str, BenchResult], bars: Sequence[Bar]) -> str:
    parts = [
        "# Cost of an answer",
        f"Measured on {datetime.now(UTC):%Y-%m-%d %H:%M} UTC by `make bench`: {describe_machine()}.",
        "CPU is the user and system time of the whole server per answer; Java's and the workers' shares are beside it. "
        "The client's CPU time is not included. `floor/CPU` is the CPU time of the bare model at its best batch size, "
        "in as many processes at once as the server has workers, divided by the server's. "
        f"`unique`: every picture is new. `chat`: {CHAT_LENGTH} questions in a row about each picture. `zipf`: pairs "
        f"from a catalogue of {CATALOGUE_SIZE}; the pair of rank r is asked 1/r^{EXPONENT:g} as often as the first, "
        f"and {2 * CATALOGUE_SIZE} requests fill the caches before. Open loops send at random times, at a share of the "
        "highest rate of the closed loops; their latency counts from when a request was due.",
        "## Bars",
        f"{describe_processor()}.",
        markdown_table(BAR_COLUMNS, _bar_rows(bars), len(BAR_COLUMNS)),
    ]
    for name, result in results.items():
        parts += [
            f"## {name}",
            f"{describe_processor()}.",
            markdown_table(COLUMNS, _rows(result), 1),
            f"![{name}]({name}.png)",
        ]
    parts += [
        "## Latency of a single request",
        "At one connection, every picture new, in milliseconds. Beside it: the floor's time for the same work, and a "
        "worker's time per answer under load.",
        markdown_table(BREAKDOWN_COLUMNS, _breakdown_rows(results), 2),
        "![stages](stages.png)",
    ]
    return "\n\n".join(parts) + "\n"


def _breakdown_rows(results: Mapping[str, BenchResult]) -> list[list[str]]:
    return [
        [name, part.name, *("" if ms is None else f"{ms:.2f}" for ms in (part.server_ms, part.floor_ms, part.busy_ms))]
        for name, result in results.items()
        for part in latency_breakdown(result)
    ]
