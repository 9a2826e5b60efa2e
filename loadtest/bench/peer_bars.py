"""Bars from the last report of `make peers`: our server against the best other server in each workload."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from loadtest.bench.bars import Bar
from vqaops.paths import RUN

OURS = "ours (TorchServe)"
FLOOR = "floor"
REPORT = RUN / "peers" / "report.json"
WANTED = "<= 1.00"


def peer_bars(model: str, report: Path = REPORT) -> Iterator[Bar]:
    """Yield a bar for each workload of the report; a bar "not measured" if the report lacks the model."""
    found = json.loads(report.read_text(encoding="utf-8")) if report.exists() else {"models": {}}
    servers = found["models"].get(model, {})
    ours, floor = _answered(servers, OURS), _answered(servers, FLOOR)
    others = {title: _answered(servers, title) for title in servers if title not in {OURS, FLOOR}}
    if not others or not ours:
        how = f"{report} has no figures of it; measure: make peers, or python -m loadtest.peers and the recipe"
        yield Bar(f"{model}: server CPU / the best other server's", "", WANTED, None, how)
        return
    floor_ms = min(workload["cpu_ms"] for workload in floor.values())
    for name, workload in ours.items():
        measured = [(workloads[name]["cpu_ms"], title) for title, workloads in others.items() if name in workloads]
        if not measured:
            continue
        best, title = min(measured)
        ratio = round(workload["cpu_ms"] / best, 2)  # the bars have two digits
        missed = "" if ratio <= 1 else "; the other has no Java, no decoding process and no tokens"
        yield Bar(
            f"{model}, {name}: server CPU / the best other server's",
            f"{ratio:.2f}",
            WANTED,
            ratio <= 1,
            f"{workload['cpu_ms']:.2f} ms against {best:.2f} of {title}, and {floor_ms:.2f} of the floor at its best "
            f"batch size; measured at {found['measured'][:16]}{missed}",
        )


def _answered(servers: Mapping[str, Any], title: str) -> dict[str, Any]:
    """Return a server's workloads with at least one answer."""
    return {name: one for name, one in servers.get(title, {}).get("workloads", {}).items() if one["answers"]}
