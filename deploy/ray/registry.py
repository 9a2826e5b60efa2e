"""What is served, and the metrics of all replicas under the names that TorchServe exports: one actor for a cluster.

Ray's own metrics have the prefix ``ray_`` and need its dashboard. TorchServe's front end collects the samples of its
workers; here an actor does, so that counts outlive a replica.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics, generate_latest

from vqaserve.metrics import MetricSample

_KINDS: dict[str, type[Counter | Gauge | Histogram]] = {"counter": Counter, "gauge": Gauge, "histogram": Histogram}
REGISTRY, NAMESPACE = "registry", "vqaserve"
"""The actor's name."""
_OWN_LABELS = ("model_name", "model_version")

Sample = tuple[str, str, tuple[str, ...], tuple[str, ...], float]
"""Name, kind, names and values of the labels, and value: built-in types, because each archive has its own classes."""


Served = Mapping[str, Mapping[str, Any]]
"""By model: ``default`` and ``versions``, which has the name of the Ray application of each."""


def plain_sample(sample: MetricSample, host: str) -> Sample:
    """A sample as it is sent to the actor, with the label ``Hostname`` that TorchServe adds to each.

    Args:
        sample: The handler's sample.
        host: The name of the replica's machine.
    """
    metric = sample.metric
    names = (*_OWN_LABELS, *metric.labels, "Hostname")
    return metric.name, metric.kind, names, (*sample.labels, host), sample.value


class Registry:
    """Knows what is served, and adds up samples; Ray runs it as an actor."""

    def __init__(self) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self._page = CollectorRegistry()
        self._metrics: dict[str, Any] = {}
        self._served: Served = {}
        self._changes = 0
        self._changed = asyncio.Condition()

    async def serve(self, served: Served) -> None:
        """Tell every front what is served from now on."""
        async with self._changed:
            self._served = served
            self._changes += 1
            self._changed.notify_all()

    async def served(self) -> Served:
        """What is served."""
        return self._served

    async def wait(self, known: int) -> tuple[int, Served]:
        """Return the number of changes and what is served, as soon as there are more than ``known`` changes."""
        async with self._changed:
            await self._changed.wait_for(lambda: self._changes > known)
            return self._changes, self._served

    async def add(self, samples: Sequence[Sample]) -> None:
        """Count samples of a replica."""
        for name, kind, names, values, value in samples:
            if name not in self._metrics:
                # TorchServe's buckets are prometheus_client's defaults.
                self._metrics[name] = _KINDS[kind](name, name, names, registry=self._page)
            metric = self._metrics[name].labels(*values)
            change = {"counter": "inc", "gauge": "set", "histogram": "observe"}[kind]
            getattr(metric, change)(value)

    async def page(self) -> bytes:
        """All metrics in Prometheus's text format."""
        return generate_latest(self._page)
