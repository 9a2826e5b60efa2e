"""The trade-off in a picture."""

from __future__ import annotations

from pathlib import Path

from matplotlib.figure import Figure

from vqaops.tuning.search import Search
from vqaops.tuning.space import Candidate


def plot_trade_off(search: Search, chosen: Candidate, limit_ms: float, path: Path) -> None:
    """Answers per second against p95 of everything that was tried, one colour for each precision."""
    figure = Figure(figsize=(8, 5), layout="constrained")
    axes = figure.subplots()
    measured = {one: outcome for one, outcome in search.tried.items() if outcome.rate}
    for precision in dict.fromkeys(one.precision for one in measured):
        those = [(one, outcome) for one, outcome in measured.items() if one.precision == precision]
        axes.scatter([out.p95_ms for _, out in those], [out.rate for _, out in those], label=precision)
        for one, outcome in those:
            label = f"{one.workers}x{one.threads} b{one.batch}"
            axes.annotate(label, (outcome.p95_ms, outcome.rate), fontsize=7, xytext=(3, 3), textcoords="offset points")
    best = search.tried[chosen]
    axes.scatter([best.p95_ms], [best.rate], s=200, facecolors="none", edgecolors="black", label="chosen")
    axes.axvline(limit_ms, color="grey", linestyle="--", label="limit")
    axes.set(xlabel="p95, ms", ylabel="answers per second", xlim=(0, None), ylim=(0, None))
    axes.legend()
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=120)
