"""Load on a running server, checked answer by answer; service levels decide the exit code.

`make load` runs it for a minute without a browser; `locust -f loadtest/locustfile.py` opens locust's page. Name user
kinds to run only these: `make load LOAD='Chat Popular --shape spike'`.
"""

from __future__ import annotations

import math
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

import locust.stats
from locust import LoadTestShape, events
from locust.env import Environment
from locust.runners import WorkerRunner
from locust.stats import RequestStats, StatsEntry
from rich.console import Console

from loadtest.load_shapes import SHAPES
from loadtest.plot import plot_history
from loadtest.slo import BREACHED, Figures, judge, read_limits
from loadtest.users import Chat, Mixed, Popular, SingleQuestion
from vqaops.paths import ROOT

locust.stats.HISTORY_STATS_INTERVAL_SEC = 1  # a point a second in report and plot; by default one in five

__all__ = ["Chat", "ChosenShape", "Mixed", "Popular", "SingleQuestion"]


class ChosenShape(LoadTestShape):
    """The shape that ``--shape`` names: locust itself takes the one class that it finds."""

    use_common_options = True

    def tick(self) -> tuple[int, float] | None:
        options = self.runner.environment.parsed_options
        passed = self.get_run_time() / (options.run_time or math.inf)
        if passed >= 1:
            return None
        users = options.num_users or 1
        now = max(1, round(SHAPES[options.shape](passed, users)))
        return now, users  # whoever is missing comes at once; the shape is what is gradual


@events.init_command_line_parser.add_listener
def add_options(parser: ArgumentParser) -> None:
    """The flags that locust does not have; their values go from a master to its workers."""
    ours = parser.add_argument_group("vqaserve")
    ours.add_argument(
        "--shape", choices=list(SHAPES), default="steady", help="Users over time, see loadtest/load_shapes.py."
    )
    ours.add_argument(
        "--throughput",
        type=float,
        default=0,
        help="Requests a second of each user, counted from when they are due; 0 is as fast as answers come.",
    )
    ours.add_argument(
        "--recipes", nargs="*", default=[], help="Recipe folders whose samples are asked; all by default."
    )
    ours.add_argument(
        "--header-file", default=str(ROOT / "run" / "auth.header"), help="The Authorization header; curl's -H @FILE."
    )
    ours.add_argument("--seed", type=int, default=0, help="The same seed asks the same.")
    ours.add_argument("--slo", default=str(ROOT / "loadtest" / "slo.yaml"), help="Service levels by user kind.")
    ours.add_argument("--plot", default="", help="Latency and throughput over time, as a PNG file.")


@events.test_start.add_listener
def check_options(environment: Environment, **_: Any) -> None:
    """Read the limits before the load, not after it."""
    read_limits(Path(environment.parsed_options.slo))


@events.quitting.add_listener
def conclude(environment: Environment, **_: Any) -> None:
    """One line for each limit, the plot, and the exit code."""
    options = environment.parsed_options
    if options is None or isinstance(environment.runner, WorkerRunner):  # a worker's figures are its master's
        return
    console = Console(highlight=False, soft_wrap=True)
    verdicts = judge(figures_of(environment.stats), read_limits(Path(options.slo)), fixed_rate=bool(options.throughput))
    for verdict in verdicts:
        console.print(str(verdict), style=None if verdict.kept else "red", markup=False)
    broken = environment.runner.exceptions.values() if environment.runner else ()
    for exception in broken:  # requests that were not made, or not counted: the figures above are not all of it
        console.print(f"BREACHED {exception['count']} x {exception['msg']}", style="red", markup=False)
    if not verdicts:
        console.print("BREACHED nothing was asked", style="red")
    if options.plot and environment.stats.history:
        plot_history(environment.stats.history, Path(options.plot))
        console.print(f"plot: {options.plot}")
    environment.process_exit_code = (
        0 if verdicts and not broken and all(verdict.kept for verdict in verdicts) else BREACHED
    )


def figures_of(stats: RequestStats) -> dict[str, Figures]:
    """What was measured of each user kind; requests are named ``KIND/...``."""
    together: dict[str, StatsEntry] = {}
    for entry in stats.entries.values():
        kind = entry.name.partition("/")[0]
        together.setdefault(kind, StatsEntry(stats, kind, "")).extend(entry)
    return {
        kind: Figures(
            p95=entry.get_response_time_percentile(0.95),
            p99=entry.get_response_time_percentile(0.99),
            failure_ratio=entry.fail_ratio,
            throughput=entry.total_rps,
        )
        for kind, entry in together.items()
    }
