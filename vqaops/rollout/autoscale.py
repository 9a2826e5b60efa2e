"""How many workers a model should have, from how long its requests wait and how busy its workers are.

TorchServe has ``minWorkers`` and ``maxWorkers`` and never moves between them by itself. This follows the time that
requests wait: it is what clients feel, whatever the model costs.
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
    """When to change, and how often.

    Attributes:
        least: Workers at least.
        most: Workers at most.
        queue_seconds: Mean wait in the queue over which a worker is added.
        busy: Share of its time that a worker may compute after one has been taken away; more would add it again.
        up_after: Looks in a row that must ask for more.
        down_after: Looks in a row that must ask for fewer; higher, since a worker costs seconds to bring back.
        rest: Looks after a change in which nothing is changed: a new worker needs a moment to show.
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
    """What one interval showed.

    Attributes:
        workers: That are wanted at present, ready or not.
        ready: That can answer.
        pending: Requests in the queue at its end.
        waited: Mean seconds in the queue of the requests that were taken from it; 0 if none was.
        busy: Mean share of the interval that a worker computed, by its CPU time.
    """

    workers: int
    ready: int
    pending: int
    waited: float
    busy: float


@dataclass(frozen=True, slots=True)
class ScalingDecision:
    """How many workers from now on, and why."""

    workers: int
    reason: str


@dataclass(frozen=True, slots=True)
class ScalingController:
    """Counts the looks that ask for a change; a pure function of what it is shown.

    Attributes:
        rule: When to change.
        high: Looks in a row that asked for more.
        low: Looks in a row that asked for fewer.
        resting: Looks in which nothing is to be changed.
    """

    rule: ScalingRule
    high: int = 0
    low: int = 0
    resting: int = 0

    def decide(self, look: Observation) -> tuple[ScalingController, ScalingDecision | None]:
        """The controller after this look, and a decision if there is one."""
        rule = self.rule
        bound = min(max(look.workers, rule.least), rule.most)
        if bound != look.workers:
            return self._changed(), ScalingDecision(
                bound, f"{look.workers} workers are outside {rule.least} to {rule.most}"
            )
        if self.resting or look.ready < look.workers:
            return replace(self, resting=max(0, self.resting - 1), high=0, low=0), None
        is_high = look.waited > rule.queue_seconds
        # A lower bound of its own for the wait, and the rest of the workers must be able to do what is done now.
        spread = look.busy * look.workers / max(1, look.workers - 1)
        is_low = look.pending == 0 and look.waited < rule.queue_seconds / 4 and spread < rule.busy
        counted = replace(self, high=self.high + 1 if is_high else 0, low=self.low + 1 if is_low else 0)
        if counted.high >= rule.up_after and look.workers < rule.most:
            reason = f"requests waited {1000 * look.waited:.0f} ms, allowed are {1000 * rule.queue_seconds:.0f} ms"
            return self._changed(), ScalingDecision(look.workers + 1, reason)
        if counted.low >= rule.down_after and look.workers > rule.least:
            reason = f"requests waited {1000 * look.waited:.0f} ms and workers are {look.busy:.0%} busy"
            return self._changed(), ScalingDecision(look.workers - 1, reason)
        return counted, None

    def _changed(self) -> ScalingController:
        return ScalingController(self.rule, resting=self.rule.rest)


@dataclass
class LoadObserver:
    """Turns running sums into what happened since the last look, at the default version."""

    rollout: Rollout
    name: str
    _at: float = 0
    _traffic: RequestTotals = field(default_factory=lambda: RequestTotals(0, 0))
    _worked: dict[int, float] = field(default_factory=dict)

    def look(self) -> tuple[RegisteredVersion, Observation]:
        """The default version, and what happened since the last look; nothing at the first."""
        management = self.rollout.management
        version = management.version(self.name, management.default(self.name))
        now, total = time.monotonic(), request_totals(management.client, self.name)
        worked = {worker.pid: _cpu_seconds(worker.pid) for worker in version.workers}
        known = [pid for pid in worked if pid in self._worked]
        # The counters only rise; lower ones are those of a server that was started anew.
        requests = max(0.0, total.requests - self._traffic.requests) if self._at else 0.0
        waited = max(0.0, total.waited - self._traffic.waited)
        computed = sum(max(0.0, worked[pid] - self._worked[pid]) for pid in known)
        seen = Observation(
            workers=len(version.workers),
            ready=version.ready,
            pending=version.pending,
            # Nothing left the queue although something is in it: that has waited all the time.
            waited=waited / requests if requests else (now - self._at) * bool(version.pending),
            busy=computed / (len(known) * (now - self._at)) if known else 0.0,
        )
        self._at, self._traffic, self._worked = now, total, worked
        return version, seen


def follow(
    rollout: Rollout, name: str, rule: ScalingRule, interval: float
) -> Iterator[tuple[Observation, ScalingDecision | None]]:
    """Look, decide and scale, once an interval, for ever; yields each look with its decision, already carried out.

    A decision that cannot be carried out now (no worker can be spared, one does not get ready) says so, and is taken
    again when it still holds later.

    Raises:
        ServerError: The server is gone.
    """
    observer, controller = LoadObserver(rollout, name), ScalingController(rule)
    observer.look()
    while True:
        time.sleep(interval)
        version, look = observer.look()
        controller, decision = controller.decide(look)
        if decision is not None:
            try:
                rollout.scale(name, version.version, decision.workers, decision.workers, reason=decision.reason)
            except ServerError as error:
                decision = replace(decision, reason=f"{decision.reason}; not done: {error}")
        yield look, decision


def _cpu_seconds(pid: int) -> float:
    try:
        times = psutil.Process(pid).cpu_times()
    except psutil.NoSuchProcess:
        return 0.0
    return times.user + times.system
