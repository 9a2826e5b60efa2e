"""The versions of a running server as a table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import psutil
from rich.table import Table

from vqaops.server.descriptions import describe
from vqaops.server.management import Management, RegisteredVersion

_SECONDS = 3
"""How long a busy worker may take to say what it computes with."""


@dataclass(frozen=True, slots=True)
class VersionRow:
    """One version.

    Attributes:
        workers: Workers that TorchServe keeps.
        ready: Workers that can answer.
        memory: Resident bytes of its workers and their child processes; shared memory is counted in each of them.
        queue: Requests in the queue.
        since: When its oldest worker was started; None without workers.
        arithmetic: The runtime and the precision that it computes with; empty if no worker says so in time.
        chosen_by: Who chose them: ``recipe``, ``calibration`` or ``static rule``.
        reason: Why.
    """

    model: str
    version: str
    is_default: bool
    workers: int
    ready: int
    memory: int
    queue: int
    since: str | None
    arithmetic: str
    chosen_by: str
    reason: str

    def as_dict(self) -> dict[str, Any]:
        """The fields by name."""
        return asdict(self)


def rows(management: Management) -> list[VersionRow]:
    """All versions of all models, by name and version."""
    found = []
    for name in sorted(management.models()):
        default = management.default(name)
        for version in management.versions(name):
            found.append(_row(management, version, version.version == default))
    return found


def table(found: Sequence[VersionRow]) -> Table:
    """The rows as a table for people; the default version is marked."""
    shown = Table(show_edge=False)
    for column in ("model", "version"):
        shown.add_column(column)
    for column in ("workers ready", "memory", "queue", "age"):
        shown.add_column(column, justify="right")
    shown.add_column("computes with")
    for row in found:
        shown.add_row(
            row.model,
            f"{row.version} (default)" if row.is_default else row.version,
            f"{row.ready} of {row.workers}",
            f"{row.memory / 1e6:.0f} MB",
            str(row.queue),
            _age(row.since),
            f"{row.arithmetic} ({row.chosen_by})" if row.chosen_by else row.arithmetic or "-",
        )
    return shown


def memory(version: RegisteredVersion) -> int:
    """Resident bytes of a version's workers and their child processes, as far as this process can see them.

    TorchServe's own figure is 0 while its system metrics are off, as in config.properties.
    """
    total = 0
    for worker in version.workers:
        try:
            process = psutil.Process(worker.pid)
            total += sum(one.memory_info().rss for one in [process, *process.children(recursive=True)])
        except (psutil.Error, ValueError):  # it is starting (pid -1), has ended, or is in another container
            continue
    return total


def _row(management: Management, version: RegisteredVersion, is_default: bool) -> VersionRow:
    key = f"{version.name}/{version.version}"
    said = describe(management.client, key, _SECONDS) if version.ready else None
    return VersionRow(
        model=version.name,
        version=version.version,
        is_default=is_default,
        workers=len(version.workers),
        ready=version.ready,
        memory=memory(version),
        queue=version.pending,
        since=min((worker.started for worker in version.workers), default=None),
        arithmetic=said.arithmetic if said else "",
        chosen_by=said.chosen_by if said else "",
        reason=said.reason if said else "",
    )


def _age(since: str | None) -> str:
    if since is None:
        return "-"
    seconds = (datetime.now(UTC) - datetime.fromisoformat(since)).total_seconds()
    return str(timedelta(seconds=max(0, round(seconds))))
