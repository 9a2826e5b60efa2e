"""How many requests a model got, how long they waited and how many failed, from TorchServe's metrics."""

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
FAILED = "Requests5XX_total"
OUTCOMES = "vqa_requests_total"


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
    samples = [one for one in metric_samples(client) if one.labels.get("model_name") == name]
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
        for sample in metric_samples(client)
        if (sample.name, sample.labels.get("model_name"), sample.labels.get("model_version"))
        == (REQUESTS, name, version)
    )


def failed_requests(client: Client) -> int:
    """Requests to all models that got 5xx since the server's start, as the alert VqaErrorRatio counts them.

    TorchServe's own 503 of a full queue is among them. The 504 of a client's deadline is not: any client can cause it.

    Raises:
        ServerError: The metrics address does not answer.
    """
    samples = list(metric_samples(client))
    late = sum(
        sample.value
        for sample in samples
        if (sample.name, sample.labels.get("outcome")) == (OUTCOMES, "DeadlineExceeded")
    )
    return round(sum(sample.value for sample in samples if sample.name == FAILED) - late)


def metric_samples(client: Client) -> Iterator[Sample]:
    """All samples of the server's metrics.

    Raises:
        ServerError: The metrics address does not answer.
    """
    url = f"{client.addresses.metrics}/metrics"
    try:
        reply = client.http.get(url)
    except httpx.TransportError as error:
        raise ServerError(f"{url} does not answer ({error}); is the server running? make serve") from None
    for family in text_string_to_metric_families(reply.text):
        yield from family.samples
