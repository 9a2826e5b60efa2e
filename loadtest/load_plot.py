"""Plot of latency and throughput over the time of a locust run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure


def plot_history(history: Sequence[Mapping[str, Any]], file: Path) -> None:
    """Draw locust's ``stats.history`` into a PNG file.

    Args:
        history: One point per second; its percentiles are of the last ten seconds.
        file: The PNG file.
    """
    times = [datetime.fromisoformat(point["time"]) for point in history]
    seconds = [(time - times[0]).total_seconds() for time in times]

    def values(name: str) -> list[float]:
        return [point[name][1] for point in history]

    figure = Figure(figsize=(9, 6), layout="constrained")
    latency, throughput = figure.subplots(2, sharex=True)
    latency.plot(seconds, values("response_time_percentile_0.5"), label="p50")
    latency.plot(seconds, values("response_time_percentile_0.95"), label="p95")
    latency.set(ylabel="response time (ms)", ylim=(0, None))
    throughput.plot(seconds, values("current_rps"), label="requests per second")
    throughput.plot(seconds, values("current_fail_per_sec"), label="failures per second", color="tab:red")
    throughput.plot(seconds, values("user_count"), label="users", color="tab:grey", linestyle=":")
    throughput.set(xlabel="seconds", ylim=(0, None))
    for axes in (latency, throughput):
        axes.grid(alpha=0.3)
        axes.legend(loc="upper left")
    file.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(file, dpi=110)
