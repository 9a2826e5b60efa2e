"""One request's life, from the client's first byte to the last: what each station takes."""

from __future__ import annotations

from dataclasses import dataclass

from loadtest.bench.measuring import Measured, closed_name, floor_name
from loadtest.bench.stages import INSIDE, QUEUE

REST_OF_TORCHSERVE = "TorchServe: JSON, pipes, batching"
SOCKET = "socket, HTTP and the client"
ROAD = ("parse", "open", "encode", "forward", "decode", "reply")
"""The handler's stages in their order."""


@dataclass(frozen=True, slots=True)
class Step:
    """A station of a request.

    Attributes:
        name: In words.
        server_ms: Of the wall clock, for a request that is alone.
        floor_ms: Of the floor, one at a time.
        busy_ms: Of a worker's time, for each answer when many ask at once.
    """

    name: str
    server_ms: float
    floor_ms: float | None = None
    busy_ms: float | None = None


def life_of(measured: Measured) -> list[Step]:
    """The stations of a request that is alone (one connection, every picture new), in order.

    They add up to the mean latency. Without the handler's own stage metrics, the worker is a single station.
    """
    alone = measured.totals[closed_name("unique", 1)]
    floor = measured.totals[floor_name(1)].stages_ms
    spent = dict(alone.stages_ms)
    inside, queue = spent.pop(INSIDE, None), spent.pop(QUEUE, 0.0)
    if inside is None:  # no metrics address
        return [Step("all of it", alone.mean_ms)]
    busy = measured.totals[closed_name("unique", measured.plan.busy)].stages_ms
    # In the road's order; a stage that is not known here comes last.
    names = [*(name for name in ROAD if name in spent), *(name for name in spent if name not in ROAD)]
    stages = [Step(name, spent[name], floor.get(name), busy.get(name)) for name in names]
    rest = inside - queue - sum(spent.values())
    return [
        Step(SOCKET, max(0.0, alone.mean_ms - inside)),
        Step(QUEUE, queue),
        Step(REST_OF_TORCHSERVE if stages else "worker, and the way there", max(0.0, rest)),
        *stages,
    ]
