"""More requests than a server can answer: how many are answered, how many refused, and how soon it recovers."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import islice

import numpy as np

from loadtest.loops import TimedReply, closed_loop, open_loop
from loadtest.overload.targets import SERVICE_SECONDS, OverloadTarget
from loadtest.sampling import sampled
from vqaops.errors import ServerError

CAPACITY_SECONDS = 5
MOST_OPEN = 4000
"""Requests without an answer at a time. A request that is due beyond is counted and not sent."""
RECOVERY_SECONDS = 5.0
"""The longest recovery that passes."""
MEMORY_PERIOD = 0.5


@dataclass(frozen=True, slots=True)
class FloodResult:
    """What a flood showed.

    Attributes:
        capacity: Answers per second when there are always enough requests.
        rate: Requests per second that were sent.
        accepted: Requests that were answered.
        accepted_p99: Their 99th percentile, in seconds from when a request was due.
        bound: Seconds that the queue and the batches take at this capacity.
        refused: Requests that got 503.
        refused_p99: Their 99th percentile, in seconds from when a request was due.
        lag_p99: Seconds that the generator sent late; part of the two percentiles.
        unsent: Requests that were due while ``MOST_OPEN`` had no answer.
        wrong: Wrong answers.
        others: Number of replies with another status, by status; 0 is no reply.
        memory: Resident MB before, after a quarter of the time, at most, and at the end.
        back: Seconds from the last request until a lone question is answered as fast as before.
    """

    capacity: float
    rate: float
    accepted: int
    accepted_p99: float
    bound: float
    refused: int
    refused_p99: float
    lag_p99: float
    unsent: int
    wrong: int
    others: dict[int, int]
    memory: tuple[float, float, float, float]
    back: float

    @property
    def kept(self) -> bool:
        """Whether answers kept the bound, all else was refused, none was wrong, and recovery was short."""
        within = self.accepted_p99 <= self.bound + self.lag_p99
        return within and not self.others and not self.wrong and self.back <= RECOVERY_SECONDS

    def __str__(self) -> str:
        before, early, peak, after = self.memory
        return (
            f"capacity {self.capacity:.0f} a second; sent {self.rate:.0f} a second "
            f"(99 % at most {1000 * self.lag_p99:.0f} ms late, {self.unsent} not sent)\n"
            f"accepted {self.accepted}: p99 {self.accepted_p99:.2f} s, bound {self.bound:.2f} s\n"
            f"wrong answers: {self.wrong}\n"
            f"refused with 503: {self.refused}, p99 {1000 * self.refused_p99:.0f} ms\n"
            f"other replies: {self.others or 'none'}\n"
            f"memory: {before:.0f} MB before, {early:.0f} after a quarter, {peak:.0f} at most, {after:.0f} at the end\n"
            f"as fast as before {self.back:.1f} s after the last request"
        )


def flood(target: OverloadTarget, times: float, seconds: float) -> FloodResult:
    """Measure the capacity, then send ``times`` as many requests for some seconds.

    Raises:
        ServerError: The server answers nothing even before the flood.
    """
    in_work = target.workers * target.batch
    capacity = _capacity(target, target.queue + in_work)
    usual = latency_percentile(ask_alone(target, 20 * SERVICE_SECONDS * 1.5), 50)
    rate, before = times * capacity, target.memory()
    due = [number / rate for number in range(int(rate * seconds))]
    with sampled(target.memory, MEMORY_PERIOD) as samples, closing(target.client(MOST_OPEN)) as client:
        end = time.monotonic() + seconds
        replies = open_loop(client, target.requests(), due, MOST_OPEN)
    back = _recovery_seconds(target, usual, end)
    good, refused = ([reply for reply in replies if reply.status == status] for status in (200, 503))
    early = [before, *(size for moment, size in samples if moment <= seconds / 4)]
    peak = max([before, *(size for _, size in samples)])
    return FloodResult(
        capacity=capacity,
        rate=len(replies) / seconds,
        accepted=len(good),
        accepted_p99=latency_percentile(good, 99),
        bound=(target.queue + 2 * in_work) / capacity,
        refused=len(refused),
        refused_p99=latency_percentile(refused, 99),
        lag_p99=percentile([reply.sent - reply.due for reply in replies], 99),
        unsent=len(due) - len(replies),
        wrong=sum(map(target.is_wrong, replies)),
        others={status: count for status, count in statuses(replies).items() if status not in (200, 503)},
        memory=(before, early[-1], peak, target.memory()),
        back=back,
    )


def ask_alone(target: OverloadTarget, seconds: float) -> list[TimedReply]:
    """Ask one question at a time."""
    with closing(target.client(1)) as client:
        return closed_loop(client, [target.requests()], seconds)


def statuses(replies: Sequence[TimedReply]) -> Counter[int]:
    """Return the number of replies of each status."""
    return Counter(reply.status for reply in replies)


def latency_percentile(replies: Sequence[TimedReply], percent: float) -> float:
    """Return a percentile of the latencies in seconds; 0 without replies."""
    return percentile([reply.latency for reply in replies], percent)


def percentile(values: Sequence[float], percent: float) -> float:
    """Return the smallest value that ``percent`` of the values do not exceed; 0 without values."""
    return float(np.percentile(values, percent, method="higher")) if values else 0.0


def _capacity(target: OverloadTarget, connections: int) -> float:
    """Return the answers per second with enough connections to fill the queue and all batches.

    Raises:
        ServerError: No question is answered.
    """
    with closing(target.client(connections)) as client:
        replies = closed_loop(client, [target.requests() for _ in range(connections)], CAPACITY_SECONDS)
    answers = statuses(replies)[200]
    if not answers:
        raise ServerError(f"no question was answered; replies by status: {dict(statuses(replies))}")
    return answers / max(reply.answered for reply in replies)


def _recovery_seconds(target: OverloadTarget, usual: float, end: float) -> float:
    """Return the seconds from the flood's end until a question takes at most twice as long as usual."""
    with closing(target.client(1)) as client:
        while time.monotonic() - end < 60:
            (reply,) = closed_loop(client, [islice(target.requests(), 1)], seconds=1)
            if reply.status == 200 and reply.latency < 2 * usual:
                break
    return time.monotonic() - end
