"""The bare model's road in this process, without a server: JPEG bytes -> picture -> features -> ranked answers."""

from __future__ import annotations

import itertools
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from loadtest.bench.caller import TOP_K
from loadtest.bench.mixes import Ask, Pair, Stream
from loadtest.bench.turns import Turn, Verdict
from loadtest.bench.usage import Cpu
from vqaserve.families import find_family
from vqaserve.families.base import Family
from vqaserve.images import open_picture
from vqaserve.settings import HandlerSettings, ModelConfig
from vqaserve.types import Answer, Query

TIE = 0.02
"""Answers whose scores differ by less are as good as each other: a batch of another size sums in another order."""


@dataclass(frozen=True)
class Expected:
    """The floor's own ranked answers to each pair, by the pair's number."""

    ranked: Sequence[Sequence[Answer]]

    def judge(self, pair: int, answer: str) -> Verdict:
        """Whether an answer is the floor's best, or one that it finds as good."""
        best = self.ranked[pair][0]
        if answer == best.answer:
            return "right"
        scores = {one.answer: one.score for one in self.ranked[pair]}
        return "tie" if scores.get(answer, -1) > best.score - TIE else "wrong"


class Floor:
    """A recipe's family, loaded as its workers load it: the same arithmetic, the same threads."""

    def __init__(self, family: Family[Any, Any], settings: HandlerSettings) -> None:
        self._family = family
        self._settings = settings

    @classmethod
    def load(cls, recipe: Path) -> Floor:
        """Load the recipe's own settings and weights.

        Raises:
            RecipeError: It does not load.
        """
        settings = ModelConfig.read(recipe / "model-config.yaml").handler
        return cls(find_family(settings.family).load(recipe, settings), settings)

    def expect(self, pairs: Sequence[Pair], batch: int = 8) -> Expected:
        """Answer every pair once."""
        asks = [Ask(pair, pair.photograph) for pair in pairs]
        ranked: list[tuple[Answer, ...]] = []
        for start in range(0, len(asks), batch):
            ranked += self._answer(asks[start : start + batch], defaultdict(float))
        return Expected(ranked)

    def turn(self, stream: Stream, batch: int, seconds: float) -> Turn:
        """Answer whole batches for so long; the latency of an answer is its batch's."""
        return timed(self._answer, stream, batch, seconds)

    def _answer(self, asks: Sequence[Ask], stages: dict[str, float]) -> list[tuple[Answer, ...]]:
        family, limits = self._family, self._settings.limits
        queries = [Query(ask.image, ask.pair.question, top_k=TOP_K) for ask in asks]
        with stage("open", stages):
            pictures = [open_picture(ask.image, limits, squeeze=family.squeeze).pixels for ask in asks]
        with stage("encode", stages):
            features = family.encode(pictures)
        with stage("forward", stages):
            outputs = family.forward(features, queries)
        with stage("decode", stages):
            return family.decode(outputs, queries)


def timed(
    answer: Callable[[Sequence[Ask], dict[str, float]], object], stream: Stream, batch: int, seconds: float
) -> Turn:
    """A turn of a road that runs in this process."""
    stages: dict[str, float] = defaultdict(float)
    latencies: list[float] = []
    cpu, wall = time.process_time(), time.perf_counter()
    while (began := time.perf_counter()) < wall + seconds:
        answer(list(itertools.islice(stream, batch)), stages)
        latencies += [time.perf_counter() - began] * batch
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    return Turn(len(latencies), latencies, wall, Cpu(0.0, cpu), stages=dict(stages))


@contextmanager
def stage(name: str, stages: dict[str, float]) -> Iterator[None]:
    """Add a block's CPU seconds."""
    began = time.process_time()
    yield
    stages[name] += time.process_time() - began
