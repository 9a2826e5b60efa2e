"""The result of a search as a table and as sentences."""

from __future__ import annotations

from rich.table import Table

from vqaops.tuning.search import Search, TrialOutcome
from vqaops.tuning.space import Candidate

_COLUMNS = ("", "workers x threads", "batch", "delay ms", "precision", "answers/s", "p95 ms", "CPU ms", "MB", "")


def outcome_table(search: Search, chosen: Candidate, title: str) -> Table:
    """Return a table of all trials, the best first; a star marks the chosen candidate."""
    table = Table(title=title, title_justify="left")
    for column in _COLUMNS:
        table.add_column(column, justify="right")
    for candidate in sorted(search.tried, key=search.merit, reverse=True):
        outcome = search.tried[candidate]
        table.add_row(
            "*" * (candidate == chosen),
            f"{candidate.workers} x {candidate.threads}",
            f"{candidate.batch}",
            f"{candidate.delay}",
            candidate.precision,
            f"{outcome.rate:.1f}",
            f"{outcome.p95_ms:.0f}",
            f"{outcome.cpu_ms:.1f}",
            f"{outcome.memory_mb:.0f}",
            outcome.failure or ("" if search.fits(candidate) else "over the limit"),
        )
    return table


def describe_misfit(closest: TrialOutcome, connections: int, limit_ms: float) -> str:
    """Say that no candidate keeps the latency limit, and what to do.

    Args:
        closest: The outcome of the best candidate.
        connections: Connections of the trials.
        limit_ms: The limit of the 95th percentile.
    """
    reached = closest.failure or f"the lowest p95 is {closest.p95_ms:.0f} ms"
    return (
        f"no settings keep the p95 below {limit_ms:g} ms with {connections} connections ({reached}); nothing was "
        "written. Raise --limit or lower --connections"
    )
