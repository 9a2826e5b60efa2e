"""Load on a running server. Every answer is checked, and the service levels decide the exit code.

`make load` runs it for a minute; `locust -f loadtest/locustfile.py` opens locust's web page instead. Name user classes
to run only these: `make load LOAD='Chat Popular --shape spike'`.
"""

from __future__ import annotations

import math
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

import locust.stats
from locust import LoadTestShape, events
from locust.env import Environment
from locust.runners import MasterRunner, WorkerRunner
from locust.stats import RequestStats, StatsEntry

from loadtest.load_plot import plot_history
from loadtest.load_shapes import SHAPES
from loadtest.samples import model_questions
from loadtest.slo import BREACHED, LoadFigures, check_levels, read_levels
from loadtest.users import Chat, Mixed, Popular, SingleQuestion
from vqaops.console import new_console
from vqaops.paths import ROOT, RUN
from vqaserve.errors import RecipeError
from vqaserve.text_files import read_text

locust.stats.HISTORY_STATS_INTERVAL_SEC = 1  # one point per second in report and plot, instead of one in five

__all__ = ["Chat", "ChosenShape", "Mixed", "Popular", "SingleQuestion"]


class ChosenShape(LoadTestShape):
    """The shape that ``--shape`` names; locust itself uses the only class that it finds."""

    use_common_options = True

    def tick(self) -> tuple[int, float] | None:
        """Return the number of users now, and how many may start per second; None when the run time is over."""
        assert self.runner is not None
        options = self.runner.environment.parsed_options
        assert options is not None
        passed = self.get_run_time() / (options.run_time or math.inf)
        if passed >= 1:
            return None
        users = options.num_users or 1
        now = max(1, round(SHAPES[options.shape](passed, users)))
        return now, users  # missing users start at once: the shape itself is gradual


@events.init_command_line_parser.add_listener
def add_options(parser: ArgumentParser) -> None:
    """Add our options; a master passes their values to its workers."""
    ours = parser.add_argument_group("vqaserve")
    ours.add_argument(
        "--shape",
        choices=list(SHAPES),
        default="steady",
        help="Number of users over time (loadtest/load_shapes.py). Example: --shape spike",
    )
    ours.add_argument(
        "--throughput",
        type=float,
        default=0,
        help="Requests per second of each user; response times count from when a request is due. "
        "0 sends as fast as answers come. Example: --throughput 2",
    )
    ours.add_argument(
        "--recipes",
        nargs="*",
        default=[],
        help="Recipes whose samples are asked. Default: shapes and rooms. Example: --recipes recipes/shapes",
    )
    ours.add_argument(
        "--header-file",
        default=str(RUN / "auth.header"),
        help="File with the Authorization header, as for curl -H @FILE.",
    )
    ours.add_argument("--seed", type=int, default=0, help="The same seed sends the same requests.")
    ours.add_argument("--slo", default=str(ROOT / "loadtest" / "slo.yaml"), help="File of the service levels.")
    ours.add_argument("--plot", default="", help="PNG file for latency and throughput over time.")


@events.test_start.add_listener
def check_options(environment: Environment, **_: Any) -> None:
    """Read the files that the options name, so that a fault stops the run before the load and not after it.

    Raises:
        SystemExit: A file cannot be used; one line says why.
    """
    options = environment.parsed_options
    assert options is not None
    try:
        read_levels(Path(options.slo))
        if not isinstance(environment.runner, MasterRunner):  # a master has no users
            model_questions(tuple(options.recipes))
            check_header_file(Path(options.header_file))
    except RecipeError as error:
        new_console(stderr=True).print(f"make load: {' '.join(str(error).split())}", markup=False)
        raise SystemExit(1) from None


def check_header_file(file: Path) -> None:
    """Refuse a file that holds no header.

    Raises:
        RecipeError: The file cannot be read or does not hold ``NAME: VALUE``.
    """
    if ": " not in read_text(file):
        raise RecipeError(f"--header-file {file} holds no header; it needs one line: Authorization: Bearer TOKEN")


@events.quitting.add_listener
def conclude(environment: Environment, **_: Any) -> None:
    """Print a line for each limit, draw the plot, and set the exit code."""
    options = environment.parsed_options
    if options is None or isinstance(environment.runner, WorkerRunner):  # the master has its workers' figures
        return
    console = new_console()
    checks = check_levels(
        figures_of(environment.stats), read_levels(Path(options.slo)), fixed_rate=bool(options.throughput)
    )
    for check in checks:
        console.print(str(check), style=None if check.kept else "red", markup=False)
    exceptions = environment.runner.exceptions.values() if environment.runner else ()
    for exception in exceptions:  # requests that were not sent or not counted: the figures above are incomplete
        console.print(f"BREACHED {exception['count']} x {exception['msg']}", style="red", markup=False)
    if not checks:
        console.print("BREACHED no request was sent", style="red")
    if options.plot and environment.stats.history:
        plot_history(environment.stats.history, Path(options.plot))
        console.print(f"plot: {options.plot}", markup=False)
    kept = bool(checks) and not exceptions and all(check.kept for check in checks)
    environment.process_exit_code = 0 if kept else BREACHED


def figures_of(stats: RequestStats) -> dict[str, LoadFigures]:
    """Return the figures of each user class; requests are named ``USER/...``."""
    together: dict[str, StatsEntry] = {}
    for entry in stats.entries.values():
        user = entry.name.partition("/")[0]
        together.setdefault(user, StatsEntry(stats, user, "")).extend(entry)
    return {
        user: LoadFigures(
            p95=entry.get_response_time_percentile(0.95),
            p99=entry.get_response_time_percentile(0.99),
            failure_ratio=entry.fail_ratio,
            throughput=entry.total_rps,
        )
        for user, entry in together.items()
    }
