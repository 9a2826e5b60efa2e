"""The highest rate at which a running server keeps its service levels.

Each probe is a locust run at a fixed rate, whose response times count from when a request is due. The rate doubles
until a level is breached; then the interval is halved.
"""

from __future__ import annotations

import csv
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from loadtest.slo import BREACHED
from vqaops.console import new_console, one_line_errors
from vqaops.errors import ServerError
from vqaops.paths import ROOT, RUN, resolved
from vqaops.server.ports import free_ports
from vqaserve.text_files import split_lines

LOCUSTFILE = ROOT / "loadtest" / "locustfile.py"
USER_RATE = 1.0
"""Requests per second of each user; at this rate no user waits long for its previous answer."""


@dataclass(frozen=True, slots=True)
class Probe:
    """The figures of one rate.

    Attributes:
        rate: Requests per second that were due.
        p95: 95th percentile of the response times, in milliseconds.
        failures: Failed requests.
        breached: The limits that were breached, as printed.
    """

    rate: int
    p95: float
    failures: int
    breached: tuple[str, ...]


def probe(rate: int, seconds: int, user: str, options: list[str]) -> Probe:
    """Run locust at one rate.

    Raises:
        ServerError: The run itself failed.
    """
    with tempfile.TemporaryDirectory(prefix="capacity-") as folder:
        done = subprocess.run(
            [
                *(sys.executable, "-m", "locust", "--locustfile", str(LOCUSTFILE), "--headless", "--only-summary"),
                *("--users", str(rate), "--throughput", str(USER_RATE), "--run-time", f"{seconds}s"),
                *("--csv", f"{folder}/load", *options, user),
            ],
            cwd=ROOT,
            capture_output=True,
            text=True,
        )
        if done.returncode not in (0, BREACHED):
            raise ServerError(f"locust ended with {done.returncode}: {done.stderr.strip()[-500:]}")
        with (Path(folder) / "load_stats.csv").open(encoding="utf-8") as file:
            total = next(row for row in csv.DictReader(file) if row["Name"] == "Aggregated")
    breached = tuple(" ".join(line.split()) for line in split_lines(done.stdout) if line.startswith("BREACHED"))
    p95 = float("nan") if total["95%"] == "N/A" else float(total["95%"])  # no request was answered
    return Probe(rate, p95, int(total["Failure Count"]), breached)


def distributed(processes: int) -> list[str]:
    """Locust's options for a master and so many workers on this machine; none for one process."""
    if processes == 1:
        return []
    port = str(free_ports(1)[0])
    listen = ["--master-bind-host", "127.0.0.1", "--master-bind-port", port, "--master-port", port]
    return ["--processes", str(processes), *listen]


def highest_kept(kept: Callable[[int], bool], most: int, halvings: int, first: int = 1) -> int:
    """Return the highest rate that is kept, 0 if none is.

    Args:
        kept: Whether a rate keeps the service levels.
        most: The highest rate to try.
        halvings: The most probes after the first breach.
        first: The first rate to try.
    """
    good, bad = 0, first
    while bad <= most and kept(bad):
        good, bad = bad, 2 * bad
    bad = min(bad, most + 1)
    for _ in range(halvings):
        middle = (good + bad) // 2
        if middle in (good, bad):
            break
        good, bad = (middle, bad) if kept(middle) else (good, middle)
    return good


def main(
    user: Annotated[str, typer.Argument(help="A user class of loadtest/users.py.")] = "SingleQuestion",
    host: Annotated[str, typer.Option(help="The server's inference address.")] = "http://127.0.0.1:8080",
    recipes: Annotated[
        list[Path] | None, typer.Option(help="Recipes whose samples are asked; repeatable. Default: all.")
    ] = None,
    header_file: Annotated[Path, typer.Option(help="File with the Authorization header.")] = RUN / "auth.header",
    slo: Annotated[Path, typer.Option(help="File of the service levels.")] = ROOT / "loadtest" / "slo.yaml",
    seconds: Annotated[int, typer.Option(min=2, help="Duration of a probe.")] = 15,
    most: Annotated[int, typer.Option(min=1, help="The highest rate to try; one user per request a second.")] = 500,
    halvings: Annotated[int, typer.Option(help="The most probes after the first breach.")] = 3,
    processes: Annotated[int, typer.Option(min=1, help="Locust's worker processes on this machine.")] = 1,
) -> None:
    """Find the highest rate that keeps the service levels of a user class.

    Examples: loadtest/capacity.py; loadtest/capacity.py Popular --recipes recipes/shapes --seconds 30
    """
    console = new_console()
    with one_line_errors("capacity"):
        options = ["--host", host, "--header-file", str(resolved(header_file)), "--slo", str(resolved(slo))]
        if recipes:
            options += ["--recipes", *(str(resolved(one)) for one in recipes)]
            options.append("--")  # ends the list of recipes

    def kept(rate: int) -> bool:
        with console.status(f"{rate} requests per second for {seconds} s"):
            found = probe(rate, seconds, user, [*distributed(processes), *options])
        result = "; ".join(found.breached) or "kept"
        console.print(f"{rate:>5} a second: p95 {found.p95:,.0f} ms, {found.failures} failed; {result}", markup=False)
        return not found.breached

    with one_line_errors("capacity"):
        good = highest_kept(kept, most, halvings)
    console.print(
        f"{user}: {good} requests a second keep every service level"
        if good
        else f"{user}: not even one request a second keeps every service level"
    )
    raise typer.Exit(0 if good else BREACHED)


if __name__ == "__main__":
    typer.run(main)
