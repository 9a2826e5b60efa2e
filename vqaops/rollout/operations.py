"""The operations of ``scripts/models.py``: each changes a running server and reports to people and machines."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import psutil
from rich.console import RenderableType
from rich.markup import escape

from vqaops.errors import ServerError
from vqaops.gateway.nginx import Gateway
from vqaops.gateway.routes import Route
from vqaops.rollout import canary, listing
from vqaops.rollout.autoscale import ScalingRule, autoscale
from vqaops.rollout.defaults import defaults
from vqaops.rollout.gate import GateResult
from vqaops.rollout.request_counts import failed_requests
from vqaops.rollout.rollout import Rollout


@dataclass(frozen=True, slots=True)
class Report:
    """What an operation did.

    Attributes:
        fields: For machines: one JSON object.
        lines: For people: lines with rich's markup, or a table.
        succeeded: Whether the command ends with status 0.
    """

    fields: Mapping[str, Any]
    lines: Sequence[RenderableType]
    succeeded: bool = True


@dataclass(frozen=True, slots=True)
class Operations:
    """Operations on the versions of a server's models.

    Attributes:
        rollout: The versions of the running server.
    """

    rollout: Rollout

    @property
    def gateway(self) -> Gateway:
        """The gateway of the server's run folder."""
        return Gateway(self.rollout.server.run)

    def register(self, archive: Path, signers: Path | None, measures: bool) -> Report:
        """Serve an archive beside the running version."""
        version, first = self.rollout.register(archive, signers, measures)
        name, default = version.name, self.rollout.management.default(version.name)
        lines = [f"[green]{name} {version.version}[/] is ready: {escape(first.measured)}"]
        if default != version.version:
            lines.append(f"{default} is still the default. Next: scripts/models.py promote {name} {version.version}")
        return Report({"model": name, "version": version.version, "workers": version.ready, "default": default}, lines)

    def list(self) -> Report:
        """All versions, and the routes of the gateway."""
        rows, routes = listing.rows(self.rollout.management), self.gateway.routes.all()
        server = self.rollout.server
        state = server.state()
        served = [state.version(row.model, row.version) if state else None for row in rows]
        fields = {
            "versions": [
                {**row.as_dict(), "sha256": known.sha256 if known else ""}
                for row, known in zip(rows, served, strict=True)
            ],
            "defaults": {name: asdict(one) for name, one in defaults(server, state).items()},
            "routes": {name: asdict(route) for name, route in routes.items()},
            "failed": self._failed(),
        }
        shares = [
            f"{name} {route.version} is the {route.kind} of {route.share:.4g} of the gateway's requests"
            for name, route in routes.items()
        ]
        return Report(fields, [listing.table(rows), *shares])

    def promote(self, target: Sequence[str], force: bool) -> Report:
        """Make a version the default if it passes its gates; the model's canary ends then."""
        name, version = self._target(target)
        results, promoted = self.rollout.promote(name, version, force)
        default = self.rollout.management.default(name)
        if promoted:  # a canary that stayed would take a share of the next default's requests
            self._end_canary(name)
            last = f"[green]{name} {version} is the default.[/] Back: scripts/models.py rollback {name}"
        else:
            last = f"[red]{name} {version} is not promoted;[/] {default} goes on answering"
        fields = {"model": name, "version": version, "default": default}
        return Report(
            {**fields, "gates": [result.as_dict() for result in results]}, [*map(gate_line, results), last], promoted
        )

    def rollback(self, model: str | None, to: str | None = None) -> Report:
        """Make the default before the present one the default again, if it is ``to``; the model's canary ends."""
        change = self.rollout.rollback(model or self.rollout.only_model(), to)
        self._end_canary(change.model)
        before = change.figures["from"]
        return Report(
            {"model": change.model, "default": change.version, "before": before},
            [f"[green]{change.model} {change.version} is the default[/] in the place of {before}"],
        )

    def scale(self, model: str | None, version: str | None, least: int, most: int | None) -> Report:
        """Change the number of workers of a version, by default of the default version."""
        if most is not None and most < least:
            raise _less(most, least)
        name = model or self.rollout.only_model()
        version = version or self.rollout.management.default(name)
        scaled = self.rollout.scale(name, version, least, most or least)
        count = len(scaled.workers)
        return Report(
            {"model": name, "version": scaled.version, "workers": count, "ready": scaled.ready},
            [f"{name} {scaled.version}: {scaled.ready} of {count} workers ready"],
        )

    def autoscale(
        self, model: str | None, least: int, most: int | None, queue_ms: float, interval: float, seconds: float | None
    ) -> Iterator[Report]:
        """Scale with the load for so many seconds; yields a report for each change."""
        rule = ScalingRule(least, most or max(least, psutil.cpu_count() or 1), queue_ms / 1000)
        if rule.most < rule.least:
            raise _less(rule.most, least)
        name = model or self.rollout.only_model()
        limits = f"{name}: {rule.least} to {rule.most} workers; a mean wait over {queue_ms:.0f} ms adds a worker"
        yield Report({}, [limits])
        for observed, decision in autoscale(self.rollout, name, rule, interval, seconds):
            if decision is None:
                continue
            before, workers = observed.workers, decision.workers
            yield Report(
                {"model": name, "before": before, "workers": workers, "reason": decision.reason},
                [f"{name}: {before} -> {workers} workers: {escape(decision.reason)}"],
            )

    def remove(self, target: Sequence[str], patience: float, force: bool) -> Report:
        """Stop serving a version once it has answered its requests; its canary ends first."""
        name, version = self._target(target)
        # A canary's requests name the version: they would find nothing, or later another archive of that version.
        self._end_canary(name, version)
        self.rollout.remove(name, version, patience, force)
        return Report(
            {"model": name, "removed": version},
            [f"{name} {version} is removed; its archive stays in the model store"],
        )

    def canary(self, target: Sequence[str], share: str, shadow: bool) -> Report:
        """Send a share of the gateway's requests to a version; 0 ends it."""
        name, version = self._target(target)
        route = Route(version, parse_share(share), "shadow" if shadow else "canary")
        fields = {"model": name, "version": version, "share": route.share, "kind": route.kind}
        if not route.share:
            canary.end(self.rollout.server, self.gateway, name)
            return Report(fields, [f"{name}: the default version answers every request again"])
        canary.start(self.rollout.server, self.gateway, name, route)
        verb = "copied to" if shadow else "answered by"
        end = f"scripts/models.py canary {name} {version} --share 0"
        return Report(fields, [f"[green]{share} of {name}'s requests[/] are {verb} {version}. End it: {end}"])

    def _failed(self) -> int | None:
        """Requests that failed since the server's start; None if its metrics address does not answer."""
        try:
            return failed_requests(self.rollout.server.client)
        except ServerError:
            return None

    def _end_canary(self, name: str, version: str | None = None) -> None:
        canary.end(self.rollout.server, self.gateway, name, version)

    def _target(self, target: Sequence[str]) -> tuple[str, str]:
        return parse_target(target, self.rollout.only_model)


def parse_target(target: Sequence[str], only_model: Callable[[], str]) -> tuple[str, str]:
    """Model and version in the words of a command line.

    Args:
        target: ``MODEL VERSION``, or ``VERSION`` where there is one model.
        only_model: Returns that model.

    Raises:
        ServerError: There are other words.
    """
    match target:
        case [version]:
            return only_model(), version
        case [name, version]:
            return name, version
    raise ServerError(f"give a model and a version, as in: shapes 1.1.0; {len(target)} arguments came: {target}")


def parse_share(text: str) -> float:
    """The share of requests in ``0%`` to ``100%``, or ``0``, as a number in [0, 1].

    Raises:
        ServerError: It is none.
    """
    given = re.fullmatch(r"([0-9]{1,3}(?:\.[0-9]+)?)%|0", text.strip())
    percent = float(given[1] or 0) if given else -1
    if not 0 <= percent <= 100:
        raise ServerError(f"--share {text} is not a share; give 0% to 100%, as in: --share 10%")
    return percent / 100


def _less(most: int, least: int) -> ServerError:
    return ServerError(f"--max {most} is less than --min {least}; give --max {least} or more")


def gate_line(result: GateResult) -> str:
    """A gate's result for people, with rich's markup."""
    mark = "[green]passed[/]" if result.passed else "[red]failed[/]"
    return f"{mark}  {result.gate:<9}  {escape(result.measured)}; allowed: {escape(result.allowed)}"
