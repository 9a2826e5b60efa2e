"""Plot of throughput against latency."""

from __future__ import annotations

from pathlib import Path

from matplotlib.figure import Figure

from vqaops.tuning.search import Search
from vqaops.tuning.space import Candidate


def plot_trade_off(search: Search, chosen: Candidate, limit_ms: float, path: Path) -> None:
    """Plot the answers per second of every trial against its p95, in one colour for each precision."""
    figure = Figure(figsize=(8, 5), layout="constrained")
    axes = figure.subplots()
    measured = {candidate: outcome for candidate, outcome in search.tried.items() if outcome.rate}
    for precision in dict.fromkeys(candidate.precision for candidate in measured):
        points = [(candidate, outcome) for candidate, outcome in measured.items() if candidate.precision == precision]
        p95s, rates = [outcome.p95_ms for _, outcome in points], [outcome.rate for _, outcome in points]
        axes.scatter(p95s, rates, label=precision)
        for candidate, outcome in points:
            label = f"{candidate.workers}x{candidate.threads} b{candidate.batch}"
            axes.annotate(label, (outcome.p95_ms, outcome.rate), fontsize=7, xytext=(3, 3), textcoords="offset points")
    best = search.tried[chosen]
    axes.scatter([best.p95_ms], [best.rate], s=200, facecolors="none", edgecolors="black", label="chosen")
    axes.axvline(limit_ms, color="grey", linestyle="--", label="limit")
    axes.set(xlabel="p95, ms", ylabel="answers per second", xlim=(0, None), ylim=(0, None))
    axes.legend()
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=120)
