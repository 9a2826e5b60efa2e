"""Metrics of each batch, as samples for Prometheus; ``vqa_handler`` writes them for TorchServe.

Samples are emitted once per batch, because TorchServe's front end parses a line of text for each. Its histograms have
fixed buckets from 5 ms to 10 s, so every histogram is in seconds; confidences are counted by tenths instead.
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
    """A metric that ``deploy/monitoring/metrics.yaml`` declares to TorchServe.

    Attributes:
        name: The name in Prometheus.
        kind: The type in TorchServe's configuration.
        unit: The unit that TorchServe shows; letters only.
        labels: The labels besides ``model_name`` and ``model_version``. Each has few values, never a client's text.
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
FIRST_TEXT_SECONDS = Metric("vqa_first_text_seconds", "histogram", "Seconds")
TOKENS = Metric("vqa_tokens_total", "counter", "Count", ("kind",))
MODEL_INFO = Metric("vqa_model_info", "gauge", "Count", ("task", "family", "runtime", "precision", "chosen_by"))

METRICS = (
    *(REQUESTS, STAGE_SECONDS, BATCH_SECONDS, BATCH_SIZE, QUEUE_SECONDS, ANSWERS, CONFIDENCE, ABSTAINED),
    *(CACHE_REQUESTS, CACHE_BYTES, CACHE_ENTRIES, PREDICTIONS_DROPPED, WORKER_STARTS, MODEL_INFO),
    *(FIRST_TEXT_SECONDS, TOKENS),
)


@dataclass(frozen=True, slots=True)
class MetricSample:
    """One value to add to a counter, to set on a gauge or to observe in a histogram.

    Attributes:
        metric: The metric.
        value: A finite number.
        labels: The values of all labels, the model's name and version first.
    """

    metric: Metric
    value: float
    labels: tuple[str, ...]


Emit = Callable[[Iterable[MetricSample]], None]


class Stopwatch:
    """Seconds spent in each stage of the current batch; a worker has one batch at a time."""

    def __init__(self) -> None:
        self._seconds: dict[str, float] = {}

    @contextmanager
    def __call__(self, stage: str) -> Iterator[None]:
        """Add the time inside the ``with`` block to a stage, also if the block fails."""
        began = time.perf_counter()
        try:
            yield
        finally:
            self._seconds[stage] = self._seconds.get(stage, 0.0) + time.perf_counter() - began

    def take(self) -> dict[str, float]:
        """Return the seconds by stage, and reset them."""
        seconds, self._seconds = self._seconds, {}
        return seconds


def server_timing(seconds: Mapping[str, float]) -> str:
    """The value of the header ``Server-Timing`` (W3C): milliseconds of a batch in the worker, by stage and in all."""
    stages = (f"{stage};dur={1000 * spent:.1f}" for stage, spent in seconds.items())
    return ", ".join((*stages, f"worker;dur={1000 * sum(seconds.values()):.1f}"))


@dataclass(frozen=True, slots=True)
class BatchReport:
    """The facts about an answered batch from which its samples are made.

    Attributes:
        outcomes: For each request ``ok``, or the ``type`` in the error's body.
        waited: Seconds between a proxy and the worker, for each request that carries its start time.
        items: All finished items.
        seconds: Seconds in the worker, by stage.
        caches: Hits, misses and size of each cache since the worker started.
        first_texts: Seconds from the arrival of a request to the first text of its stream, for each stream.
        dropped: Lines that the prediction log has lost since the last batch.
    """

    outcomes: Sequence[str]
    waited: Sequence[float]
    items: Sequence[Item]
    seconds: Mapping[str, float]
    caches: Mapping[str, Mapping[str, int]]
    first_texts: Sequence[float] = ()
    dropped: int = 0


_CACHE_SIZES = {
    "features": CACHE_BYTES,
    "prefixes": CACHE_BYTES,
    "answers": CACHE_ENTRIES,
    "labels": CACHE_ENTRIES,
}
_GAUGE_SECONDS = 10
"""Seconds between two samples of a gauge; Prometheus scrapes no more often."""

_LONGEST_WAIT = 600
"""Seconds. A longer or a negative wait means that a clock is wrong, and is not counted."""


class MetricsRecorder:
    """Turns what one worker did into samples."""

    def __init__(self, model: Model, emit: Emit) -> None:
        self._model = model
        self._emit = emit
        self._counted: Counter[tuple[str, str]] = Counter()
        self._next_gauges = 0.0

    def record_start(self, *info: str) -> None:
        """Emit that the worker has loaded its model.

        Args:
            info: The values of the labels of ``MODEL_INFO``.
        """
        self._emit([self._sample(WORKER_STARTS, 1), self._sample(MODEL_INFO, 1, *info)])

    def record_batch(self, batch: BatchReport) -> None:
        """Emit the samples of an answered batch."""
        self._emit(
            [*self._requests(batch), *self._answers(batch.items), *self._written(batch), *self._cached(batch.caches)]
        )

    def _requests(self, batch: BatchReport) -> Iterator[MetricSample]:
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

    def _answers(self, items: Sequence[Item]) -> Iterator[MetricSample]:
        scores = [item.answers[0].score for item in items if item.answers and math.isfinite(item.answers[0].score)]
        if not scores:
            return
        for tenth, count in Counter(min(max(math.ceil(score * 10), 1), 10) for score in scores).items():
            yield self._sample(ANSWERS, count, f"{tenth / 10:.1f}")
        yield self._sample(CONFIDENCE, sum(scores))
        if abstained := sum(item.abstained for item in items):
            yield self._sample(ABSTAINED, abstained)

    def _written(self, batch: BatchReport) -> Iterator[MetricSample]:
        for seconds in batch.first_texts:
            if 0 <= seconds <= _LONGEST_WAIT:
                yield self._sample(FIRST_TEXT_SECONDS, seconds)
        new = [item for item in batch.items if item.recalled != "answers"]
        writings = [answer.writing for item in new for answer in item.answers if answer.writing]
        if writings:
            yield self._sample(TOKENS, sum(writing.prompt_tokens for writing in writings), "prompt")
            yield self._sample(TOKENS, sum(writing.completion_tokens for writing in writings), "completion")

    def _cached(self, caches: Mapping[str, Mapping[str, int]]) -> Iterator[MetricSample]:
        for cache, counters in caches.items():
            for counter, result in (("hits", "hit"), ("misses", "miss")):
                if new := counters[counter] - self._counted[cache, result]:
                    self._counted[cache, result] += new
                    yield self._sample(CACHE_REQUESTS, new, cache, result)
        if time.monotonic() >= self._next_gauges:
            self._next_gauges = time.monotonic() + _GAUGE_SECONDS
            for cache, counters in caches.items():
                yield self._sample(_CACHE_SIZES[cache], counters["size"], cache)

    def _sample(self, metric: Metric, value: float, *labels: str) -> MetricSample:
        return MetricSample(metric, value, (self._model.name, self._model.version, *labels))
