"""How many workers a model needs, computed from the wait of its requests and the load of its workers.

TorchServe has ``minWorkers`` and ``maxWorkers``, but never scales between them by itself. The wait in the queue
decides: it is the part of the latency that further workers shorten, whatever the model costs.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import psutil

from vqaops.errors import ServerError
from vqaops.rollout.request_counts import RequestTotals, request_totals
from vqaops.rollout.rollout import Rollout
from vqaops.server.management import RegisteredVersion


@dataclass(frozen=True, slots=True)
class ScalingRule:
    """When to change the number of workers.

    Attributes:
        least: Minimum number of workers.
        most: Maximum number of workers.
        queue_seconds: Mean wait in the queue over which a worker is added.
        busy: Maximum load of the remaining workers, as a share of their time, at which a worker is removed; with a
            higher load it would soon be added again.
        up_after: Consecutive observations that must call for another worker.
        down_after: Consecutive observations that must call for one less; more of them, since a worker takes seconds to
            start again.
        rest: Observations after a change that change nothing: a new worker needs a moment to take effect.
    """

    least: int
    most: int
    queue_seconds: float = 0.1
    busy: float = 0.6
    up_after: int = 2
    down_after: int = 15
    rest: int = 5


@dataclass(frozen=True, slots=True)
class Observation:
    """The load in one interval.

    Attributes:
        workers: Workers that TorchServe keeps at present, ready or not.
        ready: Workers that can answer.
        pending: Requests in the queue at the end of the interval.
        waited: Mean seconds in the queue of the requests that left it; 0 if none did.
        busy: Mean share of the interval in which a worker computed, by its CPU time.
    """

    workers: int
    ready: int
    pending: int
    waited: float
    busy: float


@dataclass(frozen=True, slots=True)
class ScalingDecision:
    """The number of workers from now on, and the reason."""

    workers: int
    reason: str


@dataclass(frozen=True, slots=True)
class ScalingController:
    """Counts the observations that call for a change; its decisions depend on the observations alone.

    Attributes:
        rule: When to change.
        high: Consecutive observations that called for another worker.
        low: Consecutive observations that called for one less.
        resting: Further observations that change nothing.
    """

    rule: ScalingRule
    high: int = 0
    low: int = 0
    resting: int = 0

    def decide(self, seen: Observation) -> tuple[ScalingController, ScalingDecision | None]:
        """The controller after this observation, and its decision if there is one."""
        rule = self.rule
        bound = min(max(seen.workers, rule.least), rule.most)
        if bound != seen.workers:
            return self._changed(), ScalingDecision(
                bound, f"{seen.workers} workers are outside {rule.least} to {rule.most}"
            )
        if self.resting or seen.ready < seen.workers:
            return replace(self, resting=max(0, self.resting - 1), high=0, low=0), None
        is_high = seen.waited > rule.queue_seconds
        # A quarter of the wait, so that counts do not swing; and the other workers must be able to take over the load.
        spread = seen.busy * seen.workers / max(1, seen.workers - 1)
        is_low = seen.pending == 0 and seen.waited < rule.queue_seconds / 4 and spread < rule.busy
        counted = replace(self, high=self.high + 1 if is_high else 0, low=self.low + 1 if is_low else 0)
        if counted.high >= rule.up_after and seen.workers < rule.most:
            reason = f"requests waited {1000 * seen.waited:.0f} ms, over the {1000 * rule.queue_seconds:.0f} ms allowed"
            return self._changed(), ScalingDecision(seen.workers + 1, reason)
        if counted.low >= rule.down_after and seen.workers > rule.least:
            reason = f"requests waited {1000 * seen.waited:.0f} ms and workers are {seen.busy:.0%} busy"
            return self._changed(), ScalingDecision(seen.workers - 1, reason)
        return counted, None

    def _changed(self) -> ScalingController:
        return ScalingController(self.rule, resting=self.rule.rest)


@dataclass
class LoadObserver:
    """Observes a model's default version: turns running sums into the load since the last observation."""

    rollout: Rollout
    name: str
    _at: float = 0
    _totals: RequestTotals = field(default_factory=lambda: RequestTotals(0, 0))
    _worked: dict[int, float] = field(default_factory=dict)

    def observe(self) -> tuple[RegisteredVersion, Observation]:
        """The default version, and the load since the last observation; the first one shows no load."""
        management = self.rollout.management
        version = management.version(self.name, management.default(self.name))
        now, total = time.monotonic(), request_totals(management.client, self.name)
        worked = {worker.pid: _cpu_seconds(worker.pid) for worker in version.workers}
        known = [pid for pid in worked if pid in self._worked]
        # The counters only rise; lower ones are those of a restarted server.
        requests = max(0.0, total.requests - self._totals.requests) if self._at else 0.0
        waited = max(0.0, total.waited - self._totals.waited)
        computed = sum(max(0.0, worked[pid] - self._worked[pid]) for pid in known)
        observed = Observation(
            workers=len(version.workers),
            ready=version.ready,
            pending=version.pending,
            # Nothing left the queue although it is not empty: those requests waited the whole interval.
            waited=waited / requests if requests else (now - self._at) * bool(version.pending),
            busy=computed / (len(known) * (now - self._at)) if known else 0.0,
        )
        self._at, self._totals, self._worked = now, total, worked
        return version, observed


def autoscale(
    rollout: Rollout, name: str, rule: ScalingRule, interval: float, seconds: float | None = None
) -> Iterator[tuple[Observation, ScalingDecision | None]]:
    """Observe, decide and scale once an interval; yields each observation with its decision, once that is carried out.

    A decision that cannot be carried out now (no worker is idle, one does not get ready) says so in its reason. It is
    taken again if it still holds later.

    Args:
        rollout: The versions of the running server.
        name: The model.
        rule: When to change the number of workers.
        interval: Seconds between two observations.
        seconds: Until the end; None for no end.

    Raises:
        ServerError: The server has ended.
    """
    observer, controller, began = LoadObserver(rollout, name), ScalingController(rule), time.monotonic()
    observer.observe()
    while seconds is None or time.monotonic() - began <= seconds:
        time.sleep(interval)
        version, observed = observer.observe()
        controller, decision = controller.decide(observed)
        if decision is not None:
            try:
                rollout.scale(name, version.version, decision.workers, decision.workers, reason=decision.reason)
            except ServerError as error:
                decision = replace(decision, reason=f"{decision.reason}; not done: {error}")
        yield observed, decision


def _cpu_seconds(pid: int) -> float:
    try:
        times = psutil.Process(pid).cpu_times()
    except psutil.NoSuchProcess:
        return 0.0
    return times.user + times.system
