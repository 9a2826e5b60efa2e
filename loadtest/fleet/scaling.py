"""The capacity of some machines behind one gateway."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from operator import sub
from pathlib import Path

from loadtest.capacity import Probe, distributed, highest_kept, probe
from loadtest.fleet.servers import Fleet, nginx_of, plain_address
from loadtest.process_usage import cpu_seconds
from vqaops.gateway.nginx import Gateway

COLUMNS = ("machines", "requests a second", "p95 ms", "machines' CPU ms", "gateway's CPU ms")


@dataclass(frozen=True, slots=True)
class Plan:
    """How a capacity is searched; see `loadtest.capacity`.

    Attributes:
        recipe: The recipe whose samples are asked.
        user: A user class of ``loadtest/users.py``.
        slo: File of the service levels.
        seconds: Duration of a probe.
        halvings: The most probes after the first breach.
        processes: Locust's worker processes.
        most: The highest rate to try.
    """

    recipe: Path
    user: str
    slo: Path
    seconds: int
    halvings: int
    processes: int
    most: int = 2000


@dataclass(frozen=True, slots=True)
class Capacity:
    """What some machines can answer.

    Attributes:
        machines: Their number.
        rate: The highest rate that kept the service levels, in requests a second; 0 if none did.
        p95: 95th percentile of the response times at that rate, in ms.
        machine_ms: CPU ms of the machines for an answer, in the mean of all probes.
        gateway_ms: CPU ms of the gateway in front for an answer.
    """

    machines: int
    rate: int
    p95: float
    machine_ms: float
    gateway_ms: float

    def row(self) -> list[str]:
        """The row of the table, as `COLUMNS`."""
        figures = f"{self.p95:.0f}", f"{self.machine_ms:.2f}", f"{self.gateway_ms:.2f}"
        return [str(self.machines), str(self.rate), *figures]


def warm_up(fleet: Fleet, plan: Plan, rate: int) -> None:
    """Ask every machine for the time of a probe: the first answers of a server take longer."""
    with fleet.front("warm-up", Gateway, "least_busy") as gateway:
        _probe(fleet, plan, gateway, rate)


def measure(
    fleet: Fleet,
    plan: Plan,
    machines: int,
    first: int,
    progress: Callable[[str], None],
    show: Callable[[str], None],
) -> Capacity:
    """Find the capacity of the first machines of a fleet; the others get no request.

    Args:
        fleet: Machines that serve the plan's recipe.
        plan: How it is searched.
        machines: How many machines.
        first: The first rate to try.
        progress: Shows what is measured.
        show: Prints a probe.

    Raises:
        ServerError: Locust fails, or nginx does not run.
    """
    probes: dict[int, Probe] = {}
    with fleet.front(f"front-{machines}", Gateway, "least_busy", machines) as gateway:

        def kept(rate: int) -> bool:
            progress(f"{machines} machines: {rate} requests a second for {plan.seconds} s")
            found = probes[rate] = _probe(fleet, plan, gateway, rate)
            result = "; ".join(found.breached) or "kept"
            show(f"{machines} machines, {rate} a second: p95 {found.p95:,.0f} ms, {found.failures} failed; {result}")
            return not found.breached

        asked = fleet.machines[:machines]
        before, cpu = [one.counts() for one in asked], cpu_seconds(nginx_of(gateway)).total
        rate = highest_kept(kept, plan.most, plan.halvings, first)
        done = list(map(sub, [one.counts() for one in asked], before))
        gateway_cpu = cpu_seconds(nginx_of(gateway)).total - cpu
    answers = sum(one.requests for one in done)
    p95 = probes[rate].p95 if rate else float("nan")
    return Capacity(machines, rate, p95, 1000 * sum(one.cpu for one in done) / answers, 1000 * gateway_cpu / answers)


def _probe(fleet: Fleet, plan: Plan, gateway: Gateway, rate: int) -> Probe:
    options = [
        *distributed(plan.processes),
        *("--host", plain_address(gateway), "--header-file", str(fleet.header_file), "--slo", str(plan.slo)),
        *("--recipes", str(plan.recipe), "--"),  # ends the list of recipes
    ]
    return probe(rate, plan.seconds, plan.user, options)
