"""The figures as JSON, as Markdown, and on the terminal."""

from __future__ import annotations

import json
import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil
import torch
from rich.console import Console
from rich.table import Table

from loadtest.bench.bars import Bar, bars_of
from loadtest.bench.beside import bars_beside_others
from loadtest.bench.life import life_of
from loadtest.bench.measuring import Measured
from loadtest.bench.mixes import CATALOGUE, EXPONENT, IN_A_ROW
from loadtest.bench.plots import plot_lives, plot_loops
from loadtest.bench.turns import Total

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


def write_report(results: Mapping[str, Measured], folder: Path) -> list[Bar]:
    """``<model>.json`` and ``<model>.png`` for each, ``stages.png``, ``report.md``; gives back the bars."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, measured in results.items():
        (folder / f"{name}.json").write_text(json.dumps(figures_of(measured), indent=2) + "\n", encoding="utf-8")
        plot_loops(measured, folder / f"{name}.png")
    plot_lives(results, folder / "stages.png")
    bars = [*bars_of(results), *(bar for name in results for bar in bars_beside_others(name))]
    (folder / "report.md").write_text(_markdown(results, bars), encoding="utf-8")
    return bars


def show(results: Mapping[str, Measured], bars: Sequence[Bar], console: Console) -> None:
    """The tables on a terminal."""
    for name, measured in results.items():
        console.print(_table(f"{name}: what an answer costs", COLUMNS, _rows(measured)))
    console.print(_table("Bars", BAR_COLUMNS, _bar_rows(bars)))


def figures_of(measured: Measured) -> dict[str, Any]:
    """Everything of one model, for a program."""
    return {
        "model": measured.name,
        "machine": machine(),
        "measured": datetime.now(UTC).isoformat(timespec="seconds"),
        "rounds": measured.plan.rounds,
        "seconds": measured.plan.seconds,
        "best_floor": measured.floor.name,
        "start_seconds": measured.start_seconds,
        "worker_seconds": measured.worker_seconds,
        "worker_resident_mb": [memory.resident for memory in measured.memory],
        "worker_own_mb": [memory.own for memory in measured.memory],
        "agreement_with_fp32": measured.agreement and asdict(measured.agreement),
        "ways": {name: _figures(total) for name, total in measured.totals.items()},
        "life_of_a_request_ms": {step.name: step.server_ms for step in life_of(measured)},
    }


def machine() -> str:
    """Cores, memory and what the CPU computes in."""
    able = torch.cpu.get_capabilities()
    kinds = [kind for kind in ("avx512_bf16", "avx512_vnni", "amx_bf16", "amx_int8") if able.get(kind)]
    gpu = f", {torch.cuda.get_device_name()}" if torch.cuda.is_available() else ""
    return (
        f"{psutil.cpu_count()} cores ({platform.machine()}, {' '.join(kinds) or 'no 16-bit arithmetic'}), "
        f"{psutil.virtual_memory().total / 2**30:.0f} GiB{gpu}, torch {torch.__version__}"
    )


def _figures(total: Total) -> dict[str, Any]:
    return {
        "answers": total.answers,
        "rate": total.rate,
        "cpu_ms": total.cpu_ms,
        "java_ms": total.java_ms,
        "workers_ms": total.workers_ms,
        "client_ms": total.client_ms,
        **{f"p{share}_ms": total.percentile_ms(share) for share in (50, 95, 99)},
        "ties": total.ties,
        "wrong": total.wrong,
        "refused": total.refused,
        "batch": total.batch,
        "stages_ms": total.stages_ms,
        "gpu_busy": total.gpu_busy,
    }


def _rows(measured: Measured) -> list[list[str]]:
    floor = measured.floor.cpu_ms
    return [_row(total, floor) for total in measured.totals.values()]


def _row(total: Total, floor: float) -> list[str]:
    odd = [f"{total.wrong} wrong"] * bool(total.wrong) + [f"{total.ties} ties"] * bool(total.ties)
    odd += [f"{count} x {status}" for status, count in total.refused.items()]
    if total.gpu_busy is not None:
        odd.append(f"GPU {total.gpu_busy:.0%} busy")
    split = [f"{total.java_ms:.2f}", f"{total.workers_ms:.2f}"] if total.judged else ["", ""]
    split.append(f"{total.batch:.1f}" if total.batch else "")
    latencies = [f"{total.percentile_ms(share):.1f}" for share in (50, 95, 99)]
    client = f"{total.client_ms:.2f}" if total.judged else ""
    shares = [f"{floor / total.cpu_ms:.2f}"]
    return [total.name, f"{total.rate:.1f}", f"{total.cpu_ms:.2f}", *split, *shares, *latencies, client, ", ".join(odd)]


def _bar_rows(bars: Sequence[Bar]) -> list[list[str]]:
    return [[bar.what, bar.value, bar.bar, bar.verdict, bar.reason] for bar in bars]


def _table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> Table:
    table = Table(title=title, title_justify="left")
    for number, column in enumerate(columns):
        table.add_column(column, justify="right" if number and columns is COLUMNS else "left")
    for row in rows:
        table.add_row(*row)
    return table


def _markdown(results: Mapping[str, Measured], bars: Sequence[Bar]) -> str:
    parts = [
        "# What an answer costs",
        f"Measured on {datetime.now(UTC):%Y-%m-%d %H:%M} UTC by `make bench`: {machine()}.",
        "CPU is user and system time of the whole server for each answer, Java's and the workers' part beside it; "
        "`floor/CPU` is the bare model's road at its best batch over it. The client's own CPU time is not in it. "
        f"`unique`: every picture is new. `chat`: {IN_A_ROW} questions in a row about each picture. `zipf`: pairs from "
        f"a catalogue of {CATALOGUE}, the one of rank r asked 1/r^{EXPONENT:g} as often as the first, after "
        f"{2 * CATALOGUE} draws to fill the caches. Open loops send at random moments, at a share of the largest "
        "rate of the closed loops; latency counts from when a request was due.",
        "## Bars",
        _markdown_table(BAR_COLUMNS, _bar_rows(bars)),
    ]
    for name, measured in results.items():
        parts += [f"## {name}", _markdown_table(COLUMNS, _rows(measured)), f"![{name}]({name}.png)"]
    said = (
        "At one connection, every picture new, in milliseconds; beside it the floor's time for the same work, and a "
        "worker's for each answer when all connections ask."
    )
    parts += ["## One request's life", said, _lives(results)]
    return "\n\n".join([*parts, "![stages](stages.png)"]) + "\n"


def _lives(results: Mapping[str, Measured]) -> str:
    rows = [
        [name, step.name, f"{step.server_ms:.2f}", _or_nothing(step.floor_ms), _or_nothing(step.busy_ms)]
        for name, measured in results.items()
        for step in life_of(measured)
    ]
    return _markdown_table(("model", "station", "ms", "the floor's, batch 1", "a worker's, busy"), rows)


def _or_nothing(milliseconds: float | None) -> str:
    return "" if milliseconds is None else f"{milliseconds:.2f}"


def _markdown_table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
