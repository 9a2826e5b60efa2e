"""Closed and open loops against one model, with CPU time, checked answers and the server's own counters."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, closing, nullcontext
from dataclasses import replace
from itertools import islice

import psutil

from loadtest.bench.gpu import gpu_busy_samples
from loadtest.bench.measured_server import MeasuredServer
from loadtest.bench.mixes import Mix, unique
from loadtest.bench.results import Correctness, Measurement
from loadtest.bench.server_counters import BATCHES, counted_between, read_counters
from loadtest.fast_client import FastClient
from loadtest.loops import TimedReply, closed_loop, open_loop, poisson_times
from loadtest.pairs import Pair
from loadtest.process_usage import cpu_seconds
from loadtest.replies import read_answer

OPEN_LOOP_CONNECTIONS = 256
"""The most connections of an open loop. Further requests wait, and their waiting counts."""

Judge = Callable[[int, str], Correctness]
"""Takes a pair's number and the answer to the pair."""


class LoadGenerator:
    """Asks one model about a pool of pairs.

    Args:
        measured: The server.
        model: A model that the server has loaded.
        pairs: What is asked.
        judge: Decides which answers are right; by default all are.
        gpu: Whether to sample how busy the GPU is.
    """

    def __init__(
        self,
        measured: MeasuredServer,
        model: str,
        pairs: Sequence[Pair],
        judge: Judge | None = None,
        *,
        gpu: bool = False,
    ) -> None:
        self._measured = measured
        self._model = model
        self._pairs = pairs
        self._judge = judge or (lambda pair, answer: "right")
        self._gpu = gpu

    def closed_loop(self, mix: Mix, connections: int, seconds: float, most: int | None = None) -> Measurement:
        """Run a closed loop.

        Args:
            mix: What each connection asks.
            connections: How many connections send at once.
            seconds: No request is sent after this time.
            most: The most requests of each connection.
        """
        streams = [islice(mix(self._pairs), most) for _ in range(connections)]
        return self._measure(lambda client: closed_loop(client, streams, seconds), connections)

    def open_loop(self, rate: float, seconds: float) -> Measurement:
        """Run an open loop of unseen pictures, with ``rate`` requests per second on average."""
        stream, due = unique(self._pairs), poisson_times(rate, seconds)
        return self._measure(lambda client: open_loop(client, stream, due), OPEN_LOOP_CONNECTIONS)

    def _measure(self, loop: Callable[[FastClient], list[TimedReply]], connections: int) -> Measurement:
        api = self._measured.server.client
        before = read_counters(api)
        sampling: AbstractContextManager[list[tuple[float, float]]] = (
            gpu_busy_samples() if self._gpu else nullcontext([])
        )
        address, token = api.addresses.inference, api.token("inference")
        with closing(FastClient(address, token, self._model, connections)) as client, sampling as samples:
            result = measure_loop(lambda: loop(client), self._measured.process, self._judge)
        stages = counted_between(before, read_counters(api))
        busy = tuple(share for _, share in samples)
        return replace(result, batches=stages.pop(BATCHES, 0.0), stages=stages, gpu_busy=busy)


def measure_loop(loop: Callable[[], list[TimedReply]], process: psutil.Process, judge: Judge) -> Measurement:
    """Run a loop and measure the CPU time of a server and of this client.

    Args:
        loop: Runs to the last reply.
        process: The server's first process.
        judge: Decides which answers are right; wrong ones count neither as answers nor for latency.
    """
    before, client, wall = cpu_seconds(process), time.process_time(), time.perf_counter()
    replies = loop()
    wall, client, cpu = time.perf_counter() - wall, time.process_time() - client, cpu_seconds(process) - before
    answered = [reply for reply in replies if reply.status == 200]
    judged = [judge(reply.pair, str(read_answer(reply.body))) for reply in answered]
    right = [reply.latency for reply, correctness in zip(answered, judged, strict=True) if correctness != "wrong"]
    return Measurement(
        answers=len(right),
        latencies=right,
        wall=wall,
        cpu=cpu,
        client_cpu=client,
        ties=judged.count("tie"),
        wrong=judged.count("wrong"),
        refused=Counter(reply.status for reply in replies if reply.status != 200),
    )
