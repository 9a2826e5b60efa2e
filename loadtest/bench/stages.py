"""Where the server says that the time went: its own counters, read before and after a turn."""

from __future__ import annotations

from collections.abc import Mapping

import httpx
from prometheus_client.parser import text_string_to_metric_families

from vqaops.server.client import Client

QUEUE = "queue"
INSIDE = "inside TorchServe"
BATCHES = "batches"
_MICROSECONDS = {"ts_queue_latency_microseconds": QUEUE, "ts_inference_latency_microseconds": INSIDE}
_STAGE_SUM = "vqa_stage_seconds_sum"
_BATCH_COUNT = "vqa_batch_seconds_count"

Counters = Mapping[str, float]
"""Seconds by stage since the server began, ``queue`` and ``inside TorchServe`` (queue, worker and what is between)
summed over requests and the others over batches; and how many ``batches`` there were."""


def read_stages(client: Client) -> Counters:
    """The counters now; without those that the server does not have.

    Raises:
        httpx.TransportError: Nothing listens on the metrics address.
    """
    reply = client.http.get(f"{client.addresses.metrics}/metrics", headers=client.header("inference"))
    return parse_stages(reply.text) if reply.status_code == httpx.codes.OK else {}


def parse_stages(text: str) -> Counters:
    """Prometheus text as seconds by stage, all models and versions together."""
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


def since(before: Counters, after: Counters) -> dict[str, float]:
    """What was added between two readings."""
    return {stage: value - before.get(stage, 0.0) for stage, value in after.items()}
