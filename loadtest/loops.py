"""Closed and open loops: when the requests of a load test are sent."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import gevent
import numpy as np
from gevent.pool import Group

from loadtest.fast_client import FastClient
from loadtest.pairs import PairRequest, RequestStream

_random = np.random.default_rng(0)


@dataclass(frozen=True, slots=True)
class TimedReply:
    """One request of a loop and its reply.

    Attributes:
        pair: The pair's number.
        due: When the request should have been sent, in seconds after the loop's start, like the next two.
        sent: When it was sent.
        answered: When the whole reply had arrived.
        status: The reply's status; 0 without a reply.
        body: The reply's body.
    """

    pair: int
    due: float
    sent: float
    answered: float
    status: int
    body: bytes

    @property
    def latency(self) -> float:
        """Seconds from ``due`` to ``answered``."""
        return self.answered - self.due


def closed_loop(client: FastClient, streams: Sequence[RequestStream], seconds: float) -> list[TimedReply]:
    """Send each stream over its own connection, each request when the previous one is answered.

    Args:
        client: Must allow as many connections as there are streams.
        streams: A connection stops at the end of its stream.
        seconds: No request is sent after this time.
    """
    replies: list[TimedReply] = []
    start = time.perf_counter()

    def send_all(stream: RequestStream) -> None:
        for request in stream:
            now = time.perf_counter() - start
            if now > seconds:
                return
            replies.append(_send(client, request, now, start))

    Group().map(send_all, streams)
    return replies


def open_loop(
    client: FastClient, stream: RequestStream, due: Iterable[float], most_open: int | None = None
) -> list[TimedReply]:
    """Send requests at given times, whether or not earlier ones are answered.

    Latencies count from the time that a request was due. A client that waits for the previous answer would send
    nothing while the server stalls, and so would not measure the stall (coordinated omission).

    Args:
        client: Its limit of connections holds back requests; the waiting time counts.
        stream: What is sent.
        due: Seconds after the start, ascending.
        most_open: A request that is due while this many have no answer is not sent and has no reply.
    """
    replies: list[TimedReply] = []
    group = Group()
    start = time.perf_counter()

    def send(request: PairRequest, moment: float) -> None:
        replies.append(_send(client, request, moment, start))

    for moment in due:
        gevent.sleep(max(0.0, moment - (time.perf_counter() - start)))
        if most_open is None or len(group) < most_open:
            group.spawn(send, next(stream), float(moment))
    group.join()
    return replies


def poisson_times(rate: float, seconds: float) -> Iterable[float]:
    """Return the times of a Poisson process with ``rate`` requests per second, at least one."""
    intervals: Iterable[float] = np.cumsum(_random.exponential(1 / rate, max(1, round(rate * seconds))))
    return intervals


def _send(client: FastClient, request: PairRequest, due: float, start: float) -> TimedReply:
    sent = time.perf_counter() - start
    status, body = client.send(request)
    return TimedReply(request.pair.number, due, sent, time.perf_counter() - start, status, body)
