"""The results of fault scenarios as a table."""

from __future__ import annotations

from collections.abc import Sequence

from rich.table import Table

from loadtest.faults.clients import ClientSummary
from loadtest.faults.scenarios import ScenarioResult

MESSAGE_LENGTH = 200


def scenario_table(results: Sequence[ScenarioResult]) -> Table:
    """Return a row for each scenario, red where a promise was broken."""
    table = Table(title="failed / asked, slowest answer, recovered after", title_justify="left")
    for column in ("fault", "plain client", "retrying client", "wrong", "the operator reads"):
        table.add_column(column, overflow="fold")
    for one in results:
        wrong = len(one.plain.wrong) + len(one.retrying.wrong)
        clients = _describe(one.plain), _describe(one.retrying)
        style = None if one.kept else "red"
        table.add_row(one.fault, *clients, str(wrong), one.operator_message[:MESSAGE_LENGTH], style=style)
    return table


def _describe(seen: ClientSummary) -> str:
    kinds = " ".join(f"{count} x {kind}" for kind, count in seen.failures.items())
    figures = f"{seen.failed} / {seen.asked}, {seen.slowest:.1f} s, {seen.recovered:.1f} s"
    return f"{figures} ({kinds})" if kinds else figures
