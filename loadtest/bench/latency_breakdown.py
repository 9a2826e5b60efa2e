"""Where the latency of a single request goes, from the client's first byte to the last."""

from __future__ import annotations

from dataclasses import dataclass

from loadtest.bench.bench_result import BenchResult
from loadtest.bench.server_counters import QUEUE, TORCHSERVE
from loadtest.bench.workloads import closed_name, floor_name

TORCHSERVE_REST = "TorchServe: JSON, pipes, batching"
CLIENT = "socket, HTTP and the client"
STAGES = ("parse", "open", "encode", "forward", "decode", "reply")
"""The handler's pipeline stages in their order."""


@dataclass(frozen=True, slots=True)
class LatencyPart:
    """A part of a request's latency.

    Attributes:
        name: What the time is spent on.
        server_ms: Wall-clock milliseconds for a request that is alone.
        floor_ms: Milliseconds of the floor at batch 1.
        busy_ms: A worker's milliseconds per answer under load.
    """

    name: str
    server_ms: float
    floor_ms: float | None = None
    busy_ms: float | None = None


def latency_breakdown(result: BenchResult) -> list[LatencyPart]:
    """Return the parts, in order, of the mean latency at one connection with unseen pictures.

    Without the handler's own stage metrics the worker is a single part.
    """
    alone = result.workloads[closed_name("unique", 1)]
    floor = result.workloads[floor_name(1)].stages_ms
    spent = dict(alone.stages_ms)
    inside, queue = spent.pop(TORCHSERVE, None), spent.pop(QUEUE, 0.0)
    if inside is None:  # the server has no metrics address
        return [LatencyPart("whole request", alone.mean_ms)]
    busy = result.workloads[closed_name("unique", result.plan.busy)].stages_ms
    # Known stages in their order, then any others.
    names = [*(name for name in STAGES if name in spent), *(name for name in spent if name not in STAGES)]
    stages = [LatencyPart(name, spent[name], floor.get(name), busy.get(name)) for name in names]
    rest = inside - queue - sum(spent.values())
    return [
        LatencyPart(CLIENT, max(0.0, alone.mean_ms - inside)),
        LatencyPart(QUEUE, queue),
        LatencyPart(TORCHSERVE_REST if stages else "TorchServe and the worker", max(0.0, rest)),
        *stages,
    ]
