"""The report of a comparison: JSON, Markdown, and tables on the terminal."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from statistics import fmean
from typing import Any

from rich.console import Console

from loadtest.bench.mixes import CATALOGUE_SIZE, CHAT_LENGTH
from loadtest.bench.peer_bars import OURS
from loadtest.bench.results import WorkloadResult
from loadtest.peers.comparison import ComparisonPlan, ServerResult
from loadtest.peers.known_peers import InstalledPeer
from loadtest.peers.peer_settings import DELAY_MS, WORKERS
from loadtest.report_tables import describe_machine, markdown_table, terminal_table
from loadtest.zipf import EXPONENT

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
WORD_COLUMNS = 2

Results = Mapping[str, Mapping[str, ServerResult]]
"""By model, then by server."""


def write_report(results: Results, peers: Sequence[InstalledPeer], plan: ComparisonPlan, folder: Path) -> None:
    """Write ``report.md`` and ``report.json``."""
    folder.mkdir(parents=True, exist_ok=True)
    models = {name: {title: _figures(result) for title, result in servers.items()} for name, servers in results.items()}
    whole = {
        "machine": describe_machine(),
        "load_average": os.getloadavg(),
        "measured": datetime.now(UTC).isoformat(timespec="seconds"),
        "rounds": plan.rounds,
        "seconds": plan.seconds,
        "versions": {one.peer.title: one.version for one in peers},
        "models": models,
    }
    (folder / "report.json").write_text(json.dumps(whole, indent=2) + "\n", encoding="utf-8")
    (folder / "report.md").write_text(_markdown(results, peers, plan), encoding="utf-8")


def show(results: Results, console: Console) -> None:
    """Print the tables."""
    for name, servers in results.items():
        title = f"{name}: the same work behind other servers"
        console.print(terminal_table(title, COLUMNS, _sections(servers), WORD_COLUMNS))


def _figures(result: ServerResult) -> dict[str, Any]:
    return {
        "failure": result.failure,
        "start_seconds": result.start_seconds,
        "resident_mb": [memory.resident for memory in result.memory],
        "own_mb": [memory.own for memory in result.memory],
        "workloads": {
            name: {
                "answers": one.answers,
                "rate": one.rate,
                "cpu_ms": one.cpu_ms,
                "cpu_ms_by_round": [1000 * part.cpu.total / part.answers for part in one.measurements],
                "p50_ms": one.percentile_ms(50),
                "p95_ms": one.percentile_ms(95),
                "ties": one.ties,
                "wrong": one.wrong,
                "refused": one.refused,
            }
            for name, one in result.workloads.items()
        },
    }


def _sections(servers: Mapping[str, ServerResult]) -> list[list[list[str]]]:
    """Return the rows of each workload, with all servers; the floor's workloads come last."""
    ours = servers[OURS].workloads
    sections = [
        [
            _row(name, title, result, result.workloads[name], own)
            for title, result in servers.items()
            if name in result.workloads
        ]
        for name, own in ours.items()
    ]
    alone, busy = list(ours.values())[:2]
    floors = [one for result in servers.values() for name, one in result.workloads.items() if name not in ours]
    rows = [
        _row(one.name, "the bare model", ServerResult(), one, busy if number else alone)
        for number, one in enumerate(floors)
    ]
    return [*sections, rows]


def _row(name: str, title: str, result: ServerResult, one: WorkloadResult, ours: WorkloadResult) -> list[str]:
    memory = [(after.resident, after.own) for after in result.memory]
    return [
        name,
        title,
        f"{one.cpu_ms / ours.cpu_ms:.2f}",
        f"{one.cpu_ms:.2f}",
        f"{one.rate:.1f}",
        f"{one.percentile_ms(50):.1f}",
        f"{one.percentile_ms(95):.1f}",
        *([f"{fmean(column):.0f}" for column in zip(*memory, strict=True)] or ["", ""]),
        f"{fmean(result.start_seconds):.1f}" if result.start_seconds else "",
        one.anomalies(),
    ]


def _markdown(results: Results, peers: Sequence[InstalledPeer], plan: ComparisonPlan) -> str:
    versions = ", ".join(f"{one.peer.title} {one.version}" for one in peers) or "none"
    parts = [
        "# The same work behind other servers",
        f"Measured on {datetime.now(UTC):%Y-%m-%d %H:%M} UTC by `python -m loadtest.peers`, {plan.rounds} rounds of "
        f"{plan.seconds:g} s: {describe_machine()}. Load average at the end: {os.getloadavg()[0]:.1f}. "
        f"Peers: {versions}.",
        "CPU is the user and system time of all of a server's processes per answer. On a busy machine it varies by a "
        "few percent; answers per second and latencies vary more. MB is the resident memory of all processes, with "
        f"shared pages counted in each. A peer has {WORKERS} workers of one torch thread. With batching it uses the "
        f"recipe's batch size and a delay of {DELAY_MS} ms; ours uses the recipe's own settings.",
        "A peer takes the same form, decodes the picture with the same code in the worker itself, and runs the same "
        "family from the same files. It checks nothing else and caches nothing. Our server decodes pictures in a "
        "process of their own, checks tokens and limits, and caches; so does the same archive on Ray Serve "
        "(python -m deploy.ray), if it is among the servers. The caches show in "
        f"`chat` ({CHAT_LENGTH} questions in a row about each picture) and `zipf` (pairs from a catalogue of "
        f"{CATALOGUE_SIZE}; the pair of rank r is asked 1/r^{EXPONENT:g} as often as the first), and not in `unique`, "
        "where every picture is new. The floor's CPU is compared with ours at 1 connection, then at all of them.",
    ]
    for name, servers in results.items():
        rows = [row for section in _sections(servers) for row in section]
        parts += [f"## {name}", markdown_table(COLUMNS, rows, WORD_COLUMNS)]
        parts += [f"- {result.failure}" for result in servers.values() if result.failure]
    return "\n\n".join(parts) + "\n"
