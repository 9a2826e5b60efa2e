"""The highest rate at which a running server keeps its service levels.

Each probe is a locust run of its own at a fixed rate, whose response times count from when a request was due: doubled
until a level is breached, then halved in between.
"""

from __future__ import annotations

import csv
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from loadtest.slo import BREACHED
from vqaops.console import refuse
from vqaops.errors import ServerError
from vqaops.paths import ROOT

LOCUSTFILE = ROOT / "loadtest" / "locustfile.py"
USER_RATE = 1.0
"""Requests a second of each user: so many that none waits long for its own last answer."""


@dataclass(frozen=True, slots=True)
class Probe:
    """What came of one rate.

    Attributes:
        rate: Requests a second that were due.
        p95: Milliseconds.
        failures: Requests that failed.
        breached: The limits that were not kept, as printed.
    """

    rate: int
    p95: float
    failures: int
    breached: tuple[str, ...]


def probe(rate: int, seconds: int, kind: str, options: list[str]) -> Probe:
    """Run locust at one rate.

    Raises:
        ServerError: The run itself failed.
    """
    with tempfile.TemporaryDirectory(prefix="capacity-") as folder:
        done = subprocess.run(
            [
                *(sys.executable, "-m", "locust", "--locustfile", str(LOCUSTFILE), "--headless", "--only-summary"),
                *("--users", str(rate), "--throughput", str(USER_RATE), "--run-time", f"{seconds}s"),
                *("--csv", f"{folder}/load", *options, kind),
            ],
            cwd=ROOT,
            capture_output=True,
            text=True,
        )
        if done.returncode not in (0, BREACHED):
            raise ServerError(f"locust ended with {done.returncode}: {done.stderr.strip()[-500:]}")
        with (Path(folder) / "load_stats.csv").open(encoding="utf-8") as file:
            total = next(row for row in csv.DictReader(file) if row["Name"] == "Aggregated")
    breached = tuple(" ".join(line.split()) for line in done.stdout.splitlines() if line.startswith("BREACHED"))
    return Probe(rate, float(total["95%"]), int(total["Failure Count"]), breached)


def main(
    kind: Annotated[str, typer.Argument(help="A user kind of loadtest/users.py.")] = "SingleQuestion",
    host: Annotated[str, typer.Option(help="Where the server answers.")] = "http://127.0.0.1:8080",
    recipes: Annotated[list[Path] | None, typer.Option(help="Recipes whose samples are asked; all by default.")] = None,
    header_file: Annotated[Path, typer.Option(help="The Authorization header.")] = ROOT / "run" / "auth.header",
    slo: Annotated[Path, typer.Option(help="Service levels.")] = ROOT / "loadtest" / "slo.yaml",
    seconds: Annotated[int, typer.Option(min=2, help="Length of a probe.")] = 15,
    most: Annotated[
        int, typer.Option(min=1, help="The highest rate to try; one user for each request a second.")
    ] = 500,
    halvings: Annotated[int, typer.Option(help="Probes after the first breach.")] = 3,
) -> None:
    """Find the highest rate that keeps the service levels of a user kind.

    Examples: loadtest/capacity.py; loadtest/capacity.py Popular --recipes recipes/shapes --seconds 30
    """
    console = Console(highlight=False, soft_wrap=True)
    options = ["--host", host, "--header-file", str(header_file.resolve()), "--slo", str(slo.resolve())]
    if recipes:
        options += ["--recipes", *(str(one.resolve()) for one in recipes)]
        options.append("--")  # where the list of recipes ends and the user kind begins

    def kept(rate: int) -> bool:
        with console.status(f"asking {rate} a second for {seconds} s"):
            found = probe(rate, seconds, kind, options)
        word = "; ".join(found.breached) or "kept"
        console.print(f"{rate:>5} a second: p95 {found.p95:,.0f} ms, {found.failures} failed; {word}", markup=False)
        return not found.breached

    try:
        good, bad = 0, 1
        while bad <= most and kept(bad):
            good, bad = bad, 2 * bad
        bad = min(bad, most + 1)
        for _ in range(halvings):
            middle = (good + bad) // 2
            if middle in (good, bad):
                break
            good, bad = (middle, bad) if kept(middle) else (good, middle)
    except ServerError as error:
        refuse("capacity", error)
    console.print(f"{kind}: {good} requests a second keep every service level" if good else f"{kind}: not one a second")
    raise typer.Exit(0 if good else BREACHED)


if __name__ == "__main__":
    typer.run(main)
