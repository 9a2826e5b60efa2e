"""The page of metrics, from samples of several replicas."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from deploy.ray.registry import Registry, plain_sample
from vqaserve.metrics import BATCH_SECONDS, CACHE_BYTES, REQUESTS, MetricSample

MODEL = ("dummy", "1.0.0")
LABELS = 'Hostname="a",model_name="dummy",model_version="1.0.0"'


def run(coroutine: Coroutine[Any, Any, Any]) -> Any:
    """In a thread of its own: the browser of other tests keeps an event loop running in the main thread."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, coroutine).result()


def page(*samples: MetricSample) -> list[str]:
    async def count() -> bytes:
        registry = Registry()
        for sample in samples:
            await registry.add([plain_sample(sample, "a")])
        return await registry.page()

    return run(count()).decode().split("\n")


def test_counters_of_replicas_are_added_under_torchserves_names():
    lines = page(*[MetricSample(REQUESTS, 2, (*MODEL, "ok"))] * 2)
    assert f'vqa_requests_total{{{LABELS},outcome="ok"}} 4.0' in lines


def test_a_gauge_has_the_last_value_and_a_histogram_torchserves_buckets():
    lines = page(
        MetricSample(CACHE_BYTES, 1, (*MODEL, "features")),
        MetricSample(CACHE_BYTES, 7, (*MODEL, "features")),
        MetricSample(BATCH_SECONDS, 0.3, MODEL),
    )
    assert f'vqa_cache_bytes{{Hostname="a",cache="features",{LABELS[13:]}}} 7.0' in lines
    assert [line for line in lines if 'le="0.25"' in line or 'le="0.5"' in line] == [
        'vqa_batch_seconds_bucket{Hostname="a",le="0.25",model_name="dummy",model_version="1.0.0"} 0.0',
        'vqa_batch_seconds_bucket{Hostname="a",le="0.5",model_name="dummy",model_version="1.0.0"} 1.0',
    ]


def test_a_front_learns_at_once_what_is_served():
    async def follow() -> list[object]:
        registry = Registry()
        waiting = asyncio.create_task(registry.wait(0))
        await asyncio.sleep(0)
        served = {"dummy": {"default": "1.0.0", "versions": {"1.0.0": "dummy-1.0.0"}}}
        await registry.serve(served)
        return [await waiting == (1, served), await registry.served() == served]

    assert run(follow()) == [True, True]
