"""What happened to each batch, as samples for Prometheus; ``vqa_handler`` hands them to TorchServe.

Emitted once a batch, since TorchServe's front end reads each sample from a line of text. Its histograms have fixed
buckets from 5 ms to 10 s, so what is measured in one is in seconds; confidences are counted by tenths instead.
"""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

from vqaserve.types import Item, Model


@dataclass(frozen=True, slots=True)
class Metric:
    """A name that ``deploy/monitoring/metrics.yaml`` declares to TorchServe.

    Attributes:
        name: Prometheus's name for it.
        kind: TorchServe's word for how values add up.
        unit: What TorchServe shows as the unit; it may hold letters only.
        labels: Beside ``model_name`` and ``model_version``, which all have; few values each, never a client's text.
    """

    name: str
    kind: Literal["counter", "gauge", "histogram"]
    unit: str
    labels: tuple[str, ...] = ()


REQUESTS = Metric("vqa_requests_total", "counter", "Count", ("outcome",))
STAGE_SECONDS = Metric("vqa_stage_seconds", "histogram", "Seconds", ("stage",))
BATCH_SECONDS = Metric("vqa_batch_seconds", "histogram", "Seconds")
BATCH_SIZE = Metric("vqa_batch_size", "histogram", "Count")
QUEUE_SECONDS = Metric("vqa_queue_seconds", "histogram", "Seconds")
ANSWERS = Metric("vqa_answers_total", "counter", "Count", ("confidence",))
CONFIDENCE = Metric("vqa_answer_confidence_total", "counter", "Count")
ABSTAINED = Metric("vqa_answers_abstained_total", "counter", "Count")
CACHE_REQUESTS = Metric("vqa_cache_requests_total", "counter", "Count", ("cache", "result"))
CACHE_BYTES = Metric("vqa_cache_bytes", "gauge", "Bytes", ("cache",))
CACHE_ENTRIES = Metric("vqa_cache_entries", "gauge", "Count", ("cache",))
PREDICTIONS_DROPPED = Metric("vqa_predictions_dropped_total", "counter", "Count")
WORKER_STARTS = Metric("vqa_worker_starts_total", "counter", "Count")
MODEL_INFO = Metric("vqa_model_info", "gauge", "Count", ("task", "family", "precision"))

METRICS = (
    *(REQUESTS, STAGE_SECONDS, BATCH_SECONDS, BATCH_SIZE, QUEUE_SECONDS, ANSWERS, CONFIDENCE, ABSTAINED),
    *(CACHE_REQUESTS, CACHE_BYTES, CACHE_ENTRIES, PREDICTIONS_DROPPED, WORKER_STARTS, MODEL_INFO),
)


@dataclass(frozen=True, slots=True)
class Sample:
    """One value: added to a counter, set on a gauge, observed by a histogram.

    Attributes:
        metric: What it is of.
        value: Finite.
        labels: Values of all labels, the model's name and version first.
    """

    metric: Metric
    value: float
    labels: tuple[str, ...]


Emit = Callable[[Iterable[Sample]], None]


class Stopwatch:
    """Seconds of each stage of the batch at hand; a worker walks one batch at a time."""

    def __init__(self) -> None:
        self._seconds: dict[str, float] = {}

    @contextmanager
    def __call__(self, stage: str) -> Iterator[None]:
        """Add what is done inside to a stage; one that fails has taken its time too."""
        began = time.perf_counter()
        try:
            yield
        finally:
            self._seconds[stage] = self._seconds.get(stage, 0.0) + time.perf_counter() - began

    def take(self) -> dict[str, float]:
        """The seconds so far by stage; counting begins anew."""
        seconds, self._seconds = self._seconds, {}
        return seconds


@dataclass(frozen=True, slots=True)
class Batch:
    """What there is to say about a batch that has been answered.

    Attributes:
        outcomes: Of each request: ``ok``, or the ``type`` in the error's body.
        waited: Seconds that requests were under way before the worker had them, where something in front says so.
        items: Each question, as it ended.
        seconds: In the worker, by stage.
        caches: Hits, misses and size of each cache since the worker started.
        dropped: Lines that the prediction log has lost since the last batch.
    """

    outcomes: Sequence[str]
    waited: Sequence[float]
    items: Sequence[Item]
    seconds: Mapping[str, float]
    caches: Mapping[str, Mapping[str, int]]
    dropped: int = 0


_CACHE_SIZES = {"features": CACHE_BYTES, "answers": CACHE_ENTRIES}
_GAUGE_SECONDS = 10
"""A gauge is worth a line no more often than Prometheus looks."""


_LONGEST_WAIT = 600
"""Seconds; longer, or before it began, is a clock that goes wrong."""


class Recorder:
    """Turns what one worker did into samples."""

    def __init__(self, model: Model, emit: Emit) -> None:
        self._model = model
        self._emit = emit
        self._counted: Counter[tuple[str, str]] = Counter()
        self._next_gauges = 0.0

    def started(self, task: str, family: str, precision: str) -> None:
        """The worker has loaded its model."""
        self._emit([self._sample(WORKER_STARTS, 1), self._sample(MODEL_INFO, 1, task, family, precision)])

    def answered(self, batch: Batch) -> None:
        """The worker has answered a batch."""
        self._emit([*self._requests(batch), *self._answers(batch.items), *self._cached(batch.caches)])

    def _requests(self, batch: Batch) -> Iterator[Sample]:
        for outcome, count in Counter(batch.outcomes).items():
            yield self._sample(REQUESTS, count, outcome)
        for stage, seconds in batch.seconds.items():
            yield self._sample(STAGE_SECONDS, seconds, stage)
        yield self._sample(BATCH_SECONDS, sum(batch.seconds.values()))
        yield self._sample(BATCH_SIZE, len(batch.outcomes))
        if waits := [seconds for seconds in batch.waited if 0 <= seconds <= _LONGEST_WAIT]:
            yield self._sample(QUEUE_SECONDS, max(waits))
        if batch.dropped:
            yield self._sample(PREDICTIONS_DROPPED, batch.dropped)

    def _answers(self, items: Sequence[Item]) -> Iterator[Sample]:
        scores = [item.answers[0].score for item in items if item.answers and math.isfinite(item.answers[0].score)]
        if not scores:
            return
        for tenth, count in Counter(min(max(math.ceil(score * 10), 1), 10) for score in scores).items():
            yield self._sample(ANSWERS, count, f"{tenth / 10:.1f}")
        yield self._sample(CONFIDENCE, sum(scores))
        if abstained := sum(item.abstained for item in items):
            yield self._sample(ABSTAINED, abstained)

    def _cached(self, caches: Mapping[str, Mapping[str, int]]) -> Iterator[Sample]:
        for cache, counters in caches.items():
            for counter, result in (("hits", "hit"), ("misses", "miss")):
                if new := counters[counter] - self._counted[cache, result]:
                    self._counted[cache, result] += new
                    yield self._sample(CACHE_REQUESTS, new, cache, result)
        if time.monotonic() >= self._next_gauges:
            self._next_gauges = time.monotonic() + _GAUGE_SECONDS
            for cache, counters in caches.items():
                yield self._sample(_CACHE_SIZES[cache], counters["size"], cache)

    def _sample(self, metric: Metric, value: float, *labels: str) -> Sample:
        return Sample(metric, value, (self._model.name, self._model.version, *labels))
