"""Closed and open loops against a running server."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import gevent
import numpy as np
import psutil
from gevent.pool import Group

from loadtest.bench.caller import Caller
from loadtest.bench.mixes import Ask, Stream
from loadtest.bench.turns import Turn, Verdict
from loadtest.bench.usage import cpu_of

Judge = Callable[[int, str], Verdict]
"""A pair's number and the answer to it -> whether that is right."""
_random = np.random.default_rng(0)


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back: the pair's number, and seconds since it was, or should have been, sent."""

    pair: int
    latency: float
    status: int
    body: bytes


def closed(caller: Caller, process: psutil.Process, streams: Sequence[Stream], seconds: float, judge: Judge) -> Turn:
    """One connection for each stream; each sends its next request when the last is answered."""

    def run(send: Callable[[Ask, float], None]) -> Group:
        end = time.perf_counter() + seconds

        def lane(stream: Stream) -> None:
            for ask in stream:
                if time.perf_counter() > end:
                    return
                send(ask, time.perf_counter())

        group = Group()
        group.map(lane, streams)
        return group

    return _turn(caller, process, run, judge)


def open_loop(
    caller: Caller,
    process: psutil.Process,
    stream: Stream,
    rate: float,
    seconds: float,
    judge: Judge,
) -> Turn:
    """Requests at random moments (Poisson), whether or not earlier ones are answered.

    A latency counts from the moment that was drawn: a server that stalls makes everybody wait who wanted to ask
    meanwhile, and a client that only sends when it has time would leave them out (coordinated omission).
    """
    due = np.cumsum(_random.exponential(1 / rate, max(1, round(rate * seconds))))

    def run(send: Callable[[Ask, float], None]) -> Group:
        group, began = Group(), time.perf_counter()
        for moment in due + began:
            gevent.sleep(max(0, moment - time.perf_counter()))
            group.spawn(send, next(stream), float(moment))
        return group

    return _turn(caller, process, run, judge)


def _turn(
    caller: Caller,
    process: psutil.Process,
    run: Callable[[Callable[[Ask, float], None]], Group],
    judge: Judge,
) -> Turn:
    replies: list[Reply] = []

    def send(ask: Ask, since: float) -> None:
        status, body = caller(ask)
        replies.append(Reply(ask.pair.number, time.perf_counter() - since, status, body))

    before, client, wall = cpu_of(process), time.process_time(), time.perf_counter()
    run(send).join()
    wall, client, cpu = time.perf_counter() - wall, time.process_time() - client, cpu_of(process) - before
    refused = Counter(reply.status for reply in replies if reply.status != 200)
    answered = [reply for reply in replies if reply.status == 200]
    verdicts = [judge(reply.pair, json.loads(reply.body)["answer"]) for reply in answered]
    right = [reply.latency for reply, verdict in zip(answered, verdicts, strict=True) if verdict != "wrong"]
    return Turn(
        answers=len(right),
        latencies=right,
        wall=wall,
        cpu=cpu,
        client=client,
        ties=verdicts.count("tie"),
        wrong=verdicts.count("wrong"),
        refused=refused,
    )
