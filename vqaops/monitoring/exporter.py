"""Metrics that TorchServe's metrics address lacks: workers, queues and tokens, and the GPUs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import pynvml
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from vqaops.errors import ServerError
from vqaops.rollout.listing import memory as memory_of
from vqaops.server.client import Client
from vqaops.server.key_file import KeyFile
from vqaops.server.management import Management

STATES = ("READY", "UNLOADING")
"""TorchServe's worker states; UNLOADING is any worker that cannot answer: starting, restarting, or given up. Both are
always exported, so that a state without workers is 0 and not absent."""
_VERSION = ("model_name", "model_version")


class ServerState(Collector):
    """Asks the management address at each scrape."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def collect(self) -> Iterator[Metric]:
        """All metrics; while the server does not answer, only ``vqa_server_up 0`` and the GPUs."""
        up = GaugeMetricFamily("vqa_server_up", "Whether the management address answers.")
        try:
            yield from _models(Management(self._client))
            yield from _tokens(KeyFile(self._client.key_file))
            up.add_metric((), 1)
        except ServerError:
            up.add_metric((), 0)
        yield up
        yield from _gpus()


def _models(management: Management) -> Iterator[Metric]:
    workers = GaugeMetricFamily("vqa_workers", "Workers by TorchServe's state.", labels=[*_VERSION, "status"])
    wanted = GaugeMetricFamily("vqa_workers_wanted", "Workers that TorchServe keeps.", labels=_VERSION)
    memory = GaugeMetricFamily(
        "vqa_workers_memory_bytes", "Resident memory of all workers and their child processes.", labels=_VERSION
    )
    queue = GaugeMetricFamily("vqa_queue_requests", "Requests in the queue.", labels=_VERSION)
    room = GaugeMetricFamily(
        "vqa_queue_capacity_requests", "Requests that fit in the queue; others get 503.", labels=_VERSION
    )
    default = GaugeMetricFamily("vqa_model_default", "1 for the version that answers by default.", labels=_VERSION)
    for name in management.models():
        chosen = management.default(name)
        for version in management.versions(name):
            labels = (version.name, version.version)
            counted = Counter(worker.status for worker in version.workers)
            for status in sorted({*STATES, *counted}):
                workers.add_metric((*labels, status), counted[status])
            wanted.add_metric(labels, version.min_workers)
            memory.add_metric(labels, memory_of(version))
            queue.add_metric(labels, version.pending)
            room.add_metric(labels, version.capacity)
            default.add_metric(labels, version.version == chosen)
    yield from (workers, wanted, memory, queue, room, default)


def _tokens(keys: KeyFile) -> Iterator[Metric]:
    left = GaugeMetricFamily("vqa_token_left_seconds", "Seconds until the token expires.", labels=["kind"])
    for kind in ("inference", "management"):
        left.add_metric([kind], keys.seconds_left(kind))
    yield left


def _gpus() -> Iterator[Metric]:
    """NVML's figures; none on a machine without NVIDIA's driver."""
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:
        return
    busy = GaugeMetricFamily(
        "vqa_gpu_busy_ratio", "Share of the last sampling period with a kernel running.", labels=["gpu"]
    )
    used = GaugeMetricFamily("vqa_gpu_memory_used_bytes", "Memory in use, by all processes.", labels=["gpu"])
    total = GaugeMetricFamily("vqa_gpu_memory_bytes", "Total memory.", labels=["gpu"])
    try:
        for index in range(pynvml.nvmlDeviceGetCount()):
            gpu = pynvml.nvmlDeviceGetHandleByIndex(index)
            memory = pynvml.nvmlDeviceGetMemoryInfo(gpu)
            busy.add_metric([str(index)], pynvml.nvmlDeviceGetUtilizationRates(gpu).gpu / 100)
            used.add_metric([str(index)], memory.used)
            total.add_metric([str(index)], memory.total)
    except pynvml.NVMLError:
        return
    finally:
        pynvml.nvmlShutdown()
    yield from (busy, used, total)
