"""How many requests a model got and how long they waited, from TorchServe's metrics."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import httpx
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from vqaops.errors import ServerError
from vqaops.server.client import Client

REQUESTS = "ts_inference_requests_total"
WAITED = "ts_queue_latency_microseconds_total"
"""TorchServe's name has no ``_total``; the parser adds it to the name of every counter."""


@dataclass(frozen=True, slots=True)
class RequestTotals:
    """Sums since the server's start: requests to a model, and the seconds that they waited in its queues."""

    requests: float
    waited: float


def request_totals(client: Client, name: str) -> RequestTotals:
    """All requests to a model, whichever version they name.

    Raises:
        ServerError: The metrics address does not answer.
    """
    samples = list(_samples(client, name))
    return RequestTotals(
        requests=sum(sample.value for sample in samples if sample.name == REQUESTS),
        waited=sum(sample.value for sample in samples if sample.name == WAITED) / 1e6,
    )


def requests_naming(client: Client, name: str, version: str) -> float:
    """Requests that named this version, since the server's start; TorchServe counts the others as ``default``.

    Raises:
        ServerError: The metrics address does not answer.
    """
    return sum(
        sample.value
        for sample in _samples(client, name)
        if sample.name == REQUESTS and sample.labels.get("model_version") == version
    )


def _samples(client: Client, name: str) -> Iterator[Sample]:
    url = f"{client.addresses.metrics}/metrics"
    try:
        reply = client.http.get(url)
    except httpx.TransportError as error:
        raise ServerError(f"{url} does not answer ({error}); is the server running? make serve") from None
    for family in text_string_to_metric_families(reply.text):
        yield from (sample for sample in family.samples if sample.labels.get("model_name") == name)
