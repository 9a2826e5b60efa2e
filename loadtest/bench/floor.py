"""The floor: the bare model in a process, without a server; the least CPU time that an answer can take.

JPEG bytes are decoded, encoded to features, and answered, with the recipe's own precision and threads.
"""

from __future__ import annotations

import itertools
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from loadtest.bench.results import Correctness, Measurement
from loadtest.fast_client import TOP_K
from loadtest.pairs import Pair, PairRequest, RequestStream
from loadtest.process_usage import CpuSeconds
from vqaserve.choosing import choose
from vqaserve.families import find_family
from vqaserve.families.base import Family
from vqaserve.images import open_picture
from vqaserve.settings import HandlerSettings, ModelConfig
from vqaserve.types import Answer, Query

TIE = 0.02
"""Answers whose scores differ by less are equally good: a batch of another size sums in another order."""


@dataclass(frozen=True)
class ExpectedAnswers:
    """The floor's ranked answers to each pair, by the pair's number."""

    ranked: Sequence[Sequence[Answer]]

    def judge(self, pair: int, answer: str) -> Correctness:
        """Return whether an answer is the floor's best one, ties with it, or is wrong."""
        best = self.ranked[pair][0]
        if answer == best.answer:
            return "right"
        scores = {one.answer: one.score for one in self.ranked[pair]}
        return "tie" if scores.get(answer, -1) > best.score - TIE else "wrong"


class Floor:
    """A recipe's family, loaded as its workers load it."""

    def __init__(self, family: Family[Any, Any], settings: HandlerSettings) -> None:
        self._family = family
        self._settings = settings

    @classmethod
    def load(cls, recipe: Path, run: Path) -> Floor:
        """Load the recipe's settings and weights, in the arithmetic that its workers use.

        Args:
            recipe: The unpacked archive.
            run: The run folder of the server that serves it.

        Raises:
            RecipeError: The recipe does not load.
        """
        settings = choose(recipe, ModelConfig.read(recipe / "model-config.yaml").handler, run).settings
        return cls(find_family(settings.family).load(recipe, settings), settings)

    def expected_answers(self, pairs: Sequence[Pair], batch: int = 8) -> ExpectedAnswers:
        """Answer every pair once."""
        requests = [PairRequest(pair, pair.picture) for pair in pairs]
        ranked: list[tuple[Answer, ...]] = []
        for start in range(0, len(requests), batch):
            ranked += self._answer(requests[start : start + batch], defaultdict(float))
        return ExpectedAnswers(ranked)

    def measure(self, stream: RequestStream, batch: int, seconds: float) -> Measurement:
        """Answer full batches for some seconds."""
        return measure_in_process(self._answer, stream, batch, seconds)

    def _answer(self, requests: Sequence[PairRequest], stages: dict[str, float]) -> list[tuple[Answer, ...]]:
        family, limits = self._family, self._settings.limits.pictures
        queries = [Query(request.image, request.pair.question, top_k=TOP_K) for request in requests]
        with timed_stage("open", stages):
            pictures = [open_picture(request.image, limits, squeeze=family.squeeze).pixels for request in requests]
        with timed_stage("encode", stages):
            features = family.encode(pictures)
        with timed_stage("forward", stages):
            outputs = family.forward(features, queries)
        with timed_stage("decode", stages):
            return family.decode(outputs, queries)


def measure_in_process(
    answer: Callable[[Sequence[PairRequest], dict[str, float]], object],
    stream: RequestStream,
    batch: int,
    seconds: float,
) -> Measurement:
    """Call ``answer`` with full batches for some seconds; the latency of an answer is that of its batch.

    Args:
        answer: Answers a batch and adds CPU seconds by pipeline stage to its second argument.
        stream: Where the batches come from.
        batch: The batch size.
        seconds: No batch starts after this time.
    """
    stages: dict[str, float] = defaultdict(float)
    latencies: list[float] = []
    cpu, wall = time.process_time(), time.perf_counter()
    while (began := time.perf_counter()) < wall + seconds:
        answer(list(itertools.islice(stream, batch)), stages)
        latencies += [time.perf_counter() - began] * batch
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    return Measurement(len(latencies), latencies, wall, CpuSeconds(0.0, cpu), stages=dict(stages))


@contextmanager
def timed_stage(name: str, stages: dict[str, float]) -> Iterator[None]:
    """Add the CPU seconds of a block to ``stages[name]``."""
    began = time.process_time()
    yield
    stages[name] += time.process_time() - began
