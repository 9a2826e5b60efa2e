"""TorchServe's and the handler's own counters: time by pipeline stage, and the number of batches."""

from __future__ import annotations

from collections.abc import Mapping

import httpx
from prometheus_client.parser import text_string_to_metric_families

from vqaops.server.client import Client

QUEUE = "queue"
TORCHSERVE = "inside TorchServe"
BATCHES = "batches"
_MICROSECONDS = {"ts_queue_latency_microseconds": QUEUE, "ts_inference_latency_microseconds": TORCHSERVE}
_STAGE_SUM = "vqa_stage_seconds_sum"
_BATCH_COUNT = "vqa_batch_seconds_count"

Counters = Mapping[str, float]
"""Seconds by stage since the server began, and the number of ``batches``. ``queue`` and ``inside TorchServe`` (queue,
worker and what is between them) are sums over requests, the handler's stages sums over batches."""


def read_counters(client: Client) -> Counters:
    """Return the counters that the server has; empty if it serves no metrics.

    Raises:
        httpx.TransportError: Nothing listens on the metrics address.
    """
    reply = client.http.get(f"{client.addresses.metrics}/metrics", headers=client.header("inference"))
    return parse_counters(reply.text) if reply.status_code == httpx.codes.OK else {}


def parse_counters(text: str) -> Counters:
    """Return the counters in Prometheus text, summed over models and versions."""
    found: dict[str, float] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            if (name := sample.name.removesuffix("_total")) in _MICROSECONDS:
                stage, value = _MICROSECONDS[name], sample.value / 1e6
            elif sample.name == _STAGE_SUM:
                stage, value = sample.labels["stage"], sample.value
            elif sample.name == _BATCH_COUNT:
                stage, value = BATCHES, sample.value
            else:
                continue
            found[stage] = found.get(stage, 0.0) + value
    return found


def counted_between(before: Counters, after: Counters) -> dict[str, float]:
    """Return what the counters grew by between two readings."""
    return {stage: value - before.get(stage, 0.0) for stage, value in after.items()}
