"""What `make peers` has last found here, as bars: ours against the best of the other servers in each way of asking."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from loadtest.bench.bars import Bar
from vqaops.paths import ROOT

OURS = "ours (TorchServe)"
FLOOR = "floor"
REPORT = ROOT / "run" / "peers" / "report.json"
WANTED = "<= 1.00"


def bars_beside_others(model: str, report: Path = REPORT) -> Iterator[Bar]:
    """A bar for each way in which others were measured with this model; one that shows nothing where none was."""
    found = json.loads(report.read_text(encoding="utf-8")) if report.exists() else {"models": {}}
    servers = found["models"].get(model, {})
    ours, floor = _ways(servers, OURS), _ways(servers, FLOOR)
    others = {title: _ways(servers, title) for title in servers if title not in {OURS, FLOOR}}
    if not others or not ours:
        how = f"{report} says nothing of it: `make peers`, or `python -m loadtest.peers` and its recipe"
        yield Bar(f"{model}: server CPU / the best other server's", "", WANTED, None, how)
        return
    bare = min(way["cpu_ms"] for way in floor.values())
    for name, way in ours.items():
        answered = [(ways[name]["cpu_ms"], title) for title, ways in others.items() if name in ways]
        if not answered:
            continue
        best, title = min(answered)
        ratio = round(way["cpu_ms"] / best, 2)  # the bars have two digits
        missed = "" if ratio <= 1 else "; no Java, no process of its own for pictures and no tokens are in theirs"
        yield Bar(
            f"{model}, {name}: server CPU / the best other server's",
            f"{ratio:.2f}",
            WANTED,
            ratio <= 1,
            f"{way['cpu_ms']:.2f} ms against {best:.2f} of {title} and {bare:.2f} of the bare model at its best batch, "
            f"measured at {found['measured'][:16]}{missed}",
        )


def _ways(servers: Mapping[str, Any], title: str) -> dict[str, Any]:
    """By way, what was answered at all."""
    return {name: way for name, way in servers.get(title, {}).get("ways", {}).items() if way["answers"]}
