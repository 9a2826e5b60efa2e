"""One model of a running server, asked in loops, with the server's own counters for each turn."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from itertools import islice

from loadtest.bench.caller import Caller
from loadtest.bench.gpu import busy_samples
from loadtest.bench.loops import Judge, closed, open_loop
from loadtest.bench.mixes import Mix, Pair, unique
from loadtest.bench.serving import Running
from loadtest.bench.stages import BATCHES, read_stages, since
from loadtest.bench.turns import Turn

OPEN_CONNECTIONS = 256
"""The most that an open loop has under way; further requests wait, and their waiting counts."""


class Asking:
    """Asks one model about the pairs of a pool.

    Args:
        running: The server.
        model: A name that it has loaded.
        pairs: What is asked.
        judge: Which answers are right; all of them, if nobody says.
        gpu: Whether to look at the GPU meanwhile.
    """

    def __init__(
        self, running: Running, model: str, pairs: Sequence[Pair], judge: Judge | None = None, *, gpu: bool = False
    ) -> None:
        self._running = running
        self._model = model
        self._pairs = pairs
        self._judge = judge or (lambda pair, answer: "right")
        self._gpu = gpu

    def closed(self, mix: Mix, connections: int, seconds: float, most: int | None = None) -> Turn:
        """A closed loop.

        Args:
            mix: What each connection asks.
            connections: Each sends its next request when the last is answered.
            seconds: After which no more are sent.
            most: Requests of each connection.
        """
        streams = [islice(mix(self._pairs), most) for _ in range(connections)]

        def loop(caller: Caller) -> Turn:
            return closed(caller, self._running.process, streams, seconds, self._judge)

        return self._turn(loop, connections)

    def open(self, rate: float, seconds: float) -> Turn:
        """An open loop of new pictures, so many a second on average."""
        stream = unique(self._pairs)

        def loop(caller: Caller) -> Turn:
            return open_loop(caller, self._running.process, stream, rate, seconds, self._judge)

        return self._turn(loop, OPEN_CONNECTIONS)

    def _turn(self, loop: Callable[[Caller], Turn], connections: int) -> Turn:
        client = self._running.server.client
        caller = Caller(client.addresses.inference, client.token("inference"), self._model, connections)
        before = read_stages(client)
        try:
            looking: AbstractContextManager[list[float]] = busy_samples() if self._gpu else nullcontext([])
            with looking as samples:
                turn = loop(caller)
        finally:
            caller.close()
        stages = since(before, read_stages(client))
        return replace(turn, batches=stages.pop(BATCHES, 0.0), stages=stages, gpu_busy=tuple(samples))
