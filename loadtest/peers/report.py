"""The figures as a table on the terminal, as Markdown and as JSON."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from statistics import fmean
from typing import Any

from rich.console import Console
from rich.table import Table

from loadtest.bench.beside import OURS
from loadtest.bench.mixes import CATALOGUE, EXPONENT, IN_A_ROW
from loadtest.bench.report import machine
from loadtest.bench.turns import Total
from loadtest.peers.measuring import Plan, Result
from loadtest.peers.table import Installed
from loadtest.peers.worker_settings import DELAY_MS, WORKERS

COLUMNS = (
    "",
    "server",
    "CPU, ours = 1.00",
    "CPU ms",
    "answers/s",
    "p50 ms",
    "p95 ms",
    "MB",
    "own MB",
    "start s",
    "not right",
)
WORDS = 2
"""Columns of words; the others are figures."""

Results = Mapping[str, Mapping[str, Result]]
"""By model, then by server."""


def write_report(results: Results, installed: Sequence[Installed], plan: Plan, folder: Path) -> None:
    """``report.md`` and ``report.json``."""
    folder.mkdir(parents=True, exist_ok=True)
    models = {name: {title: _figures(result) for title, result in servers.items()} for name, servers in results.items()}
    whole = {
        "machine": machine(),
        "load_average": os.getloadavg(),
        "measured": datetime.now(UTC).isoformat(timespec="seconds"),
        "rounds": plan.rounds,
        "seconds": plan.seconds,
        "versions": {one.peer.title: one.version for one in installed},
        "models": models,
    }
    (folder / "report.json").write_text(json.dumps(whole, indent=2) + "\n", encoding="utf-8")
    (folder / "report.md").write_text(_markdown(results, installed, plan), encoding="utf-8")


def show(results: Results, console: Console) -> None:
    """The tables on a terminal."""
    for name, servers in results.items():
        table = Table(title=f"{name}: the same work behind other servers", title_justify="left")
        for number, column in enumerate(COLUMNS):
            table.add_column(column, justify="left" if number < WORDS else "right")
        for rows in _sections(servers):
            for row in rows:
                table.add_row(*row)
            table.add_section()
        console.print(table)


def _figures(result: Result) -> dict[str, Any]:
    return {
        "failure": result.failure,
        "start_seconds": result.start_seconds,
        "resident_mb": [memory.resident for memory in result.memory],
        "own_mb": [memory.own for memory in result.memory],
        "ways": {
            way: {
                "answers": total.answers,
                "rate": total.rate,
                "cpu_ms": total.cpu_ms,
                "cpu_ms_by_round": [1000 * turn.cpu.whole / turn.answers for turn in total.turns],
                "p50_ms": total.percentile_ms(50),
                "p95_ms": total.percentile_ms(95),
                "ties": total.ties,
                "wrong": total.wrong,
                "refused": total.refused,
            }
            for way, total in result.totals.items()
        },
    }


def _sections(servers: Mapping[str, Result]) -> Iterator[list[list[str]]]:
    """The rows of each way, every server's below each other; the floor's ways are its own."""
    ours = servers[OURS].totals
    for way, own in ours.items():
        have = ((title, result) for title, result in servers.items() if way in result.totals)
        yield [_row(way, title, result, result.totals[way], own) for title, result in have]
    alone, busy = list(ours.values())[:2]
    floors = [(way, total) for result in servers.values() for way, total in result.totals.items() if way not in ours]
    yield [
        _row(way, "the bare model", Result(), total, alone if number == 0 else busy)
        for number, (way, total) in enumerate(floors)
    ]


def _row(way: str, title: str, result: Result, total: Total, ours: Total) -> list[str]:
    odd = [f"{total.wrong} wrong"] * bool(total.wrong) + [f"{total.ties} ties"] * bool(total.ties)
    odd += [f"{count} x {status}" for status, count in total.refused.items()]
    memory = [(one.resident, one.own) for one in result.memory]
    return [
        way,
        title,
        f"{total.cpu_ms / ours.cpu_ms:.2f}",
        f"{total.cpu_ms:.2f}",
        f"{total.rate:.1f}",
        f"{total.percentile_ms(50):.1f}",
        f"{total.percentile_ms(95):.1f}",
        *([f"{fmean(column):.0f}" for column in zip(*memory, strict=True)] or ["", ""]),
        f"{fmean(result.start_seconds):.1f}" if result.start_seconds else "",
        ", ".join(odd),
    ]


def _markdown(results: Results, installed: Sequence[Installed], plan: Plan) -> str:
    versions = ", ".join(f"{one.peer.title} {one.version}" for one in installed) or "none"
    parts = [
        "# The same work behind other servers",
        f"Measured on {datetime.now(UTC):%Y-%m-%d %H:%M} UTC by `python -m loadtest.peers`, {plan.rounds} rounds of "
        f"{plan.seconds:g} s: {machine()}. Load average at the end: {os.getloadavg()[0]:.1f}. Peers: {versions}.",
        "CPU is user and system time of all of a server's processes for each answer; it holds on a busy machine within "
        "some per cent, answers per second and latencies do not. MB is what all its processes hold, pages that they "
        f"share counted in each. A peer has {WORKERS} workers of one torch thread, and where it batches, the recipe's "
        f"batch and {DELAY_MS} ms to wait (ours: the recipe's own settings). It takes the same form, opens the picture "
        "with the same code, in the worker itself, and runs the same family from the same files; it checks nothing "
        "else and remembers nothing. Ours opens pictures in a process that a hostile file may exhaust, checks tokens "
        f"and limits, and remembers: that shows in `chat` ({IN_A_ROW} questions in a row about each picture) and "
        f"`zipf` (pairs from a catalogue of {CATALOGUE}, the one of rank r 1/r^{EXPONENT:g} as often as the first), "
        "not in `unique`, where every picture is new. The bare model's CPU, in the floor's rows, is set against ours "
        "at 1 connection, then at all of them.",
    ]
    for name, servers in results.items():
        rows = [row for section in _sections(servers) for row in section]
        lines = [COLUMNS, ["---"] * WORDS + ["---:"] * (len(COLUMNS) - WORDS), *rows]
        parts += [f"## {name}", "\n".join(f"| {' | '.join(line)} |" for line in lines)]
        parts += [f"- {result.failure}" for result in servers.values() if result.failure]
    return "\n\n".join(parts) + "\n"
