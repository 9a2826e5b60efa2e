"""The workloads of a benchmark, by the names under which the report shows them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from functools import partial

from loadtest.bench.floor import Floor
from loadtest.bench.load_generator import Judge, LoadGenerator, measure_loop
from loadtest.bench.measured_server import MeasuredServer
from loadtest.bench.mixes import Mix, chat, unique
from loadtest.bench.parallel_floor import measure_at_once
from loadtest.bench.plan import BenchModel, BenchPlan
from loadtest.bench.results import Measurement
from loadtest.fast_client import FastClient
from loadtest.loops import closed_loop
from loadtest.peers.peer_process import ComparedServer
from vqaops.calibrating.processes import Processes

TRANSFORMERS = "plain transformers, batch 8"

Workload = Callable[[float], Measurement]
"""Runs for the given number of seconds."""


def floor_name(batch: int, processes: int = 1) -> str:
    """Return the name of the floor at a batch size, in so many processes at once."""
    return f"floor, {processes} processes, batch {batch}" if processes > 1 else f"floor, batch {batch}"


def closed_name(mix: str, connections: int) -> str:
    """Return the name of a closed loop."""
    return f"{mix}, {connections} connection{'s' if connections > 1 else ''}"


def open_name(share: float) -> str:
    """Return the name of an open loop at a share of the capacity."""
    return f"open loop, {share:.0%}"


def twin_name(precision: str, connections: int) -> str:
    """Return the name of a closed loop against a twin in another precision."""
    return closed_name(f"{precision} twin, unique", connections)


def eager_name(title: str, connections: int) -> str:
    """Return the name of a closed loop against another server, which uses the model as its documentation shows."""
    return closed_name(f"{title} with eager transformers, unique", connections)


def parallel_workloads(plan: BenchPlan, processes: Processes, count: int) -> dict[str, Workload]:
    """Return the floor in as many processes at once as there are workers; nothing for one worker."""
    if count < 2:
        return {}
    return {floor_name(batch, count): partial(measure_at_once, processes, batch) for batch in plan.batches}


def eager_workloads(model: BenchModel, plan: BenchPlan, peers: Mapping[str, ComparedServer]) -> dict[str, Workload]:
    """Return the closed loops against other servers by their titles, judged by the known fp32 answers."""
    judge = _judge_by(model.known)

    def run(server: ComparedServer, connections: int, seconds: float) -> Measurement:
        streams = [unique(model.pairs) for _ in range(connections)]
        with closing(FastClient(server.address, server.token, model.name, connections)) as client:
            return measure_loop(lambda: closed_loop(client, streams, seconds), server.process, judge)

    return {
        eager_name(title, connections): partial(run, server, connections)
        for title, server in peers.items()
        for connections in dict.fromkeys((1, plan.busy))
    }


def local_workloads(model: BenchModel, plan: BenchPlan, floor: Floor) -> dict[str, Workload]:
    """Return the workloads that run in this process: the floor, and plain transformers."""
    stream = unique(model.pairs)
    found: dict[str, Workload] = {floor_name(batch): partial(floor.measure, stream, batch) for batch in plan.batches}
    if model.transformers:
        from loadtest.bench.transformers_baseline import TransformersBaseline  # imports transformers

        found[TRANSFORMERS] = partial(TransformersBaseline(model.recipe / "weights").measure, stream, 8)
    return found


def closed_workloads(generator: LoadGenerator, plan: BenchPlan, zipf: Mix) -> dict[str, Workload]:
    """Return the closed loops of each mix."""
    found: dict[str, Workload] = {
        closed_name("unique", connections): partial(generator.closed_loop, unique, connections)
        for connections in plan.connections
    }
    found[closed_name("chat", plan.busy)] = partial(generator.closed_loop, chat, plan.busy)
    found[closed_name("zipf", plan.busy)] = partial(generator.closed_loop, zipf, plan.busy)
    return found


def open_workloads(generator: LoadGenerator, plan: BenchPlan, rates: dict[str, float]) -> dict[str, Workload]:
    """Return the open loops.

    Args:
        generator: Sends the requests.
        plan: Its ``shares`` are shares of the highest rate of the closed loops.
        rates: Answers per second of each workload in the current round, filled while the benchmark runs.
    """
    closed = [closed_name("unique", connections) for connections in plan.connections]

    def run(share: float, seconds: float) -> Measurement:
        return generator.open_loop(share * max(rates[name] for name in closed), seconds)

    return {open_name(share): partial(run, share) for share in plan.shares}


def twin_workloads(model: BenchModel, plan: BenchPlan, measured: MeasuredServer) -> dict[str, Workload]:
    """Return the closed loops against the twins, judged by the known fp32 answers."""
    found: dict[str, Workload] = {}
    for precision, name in model.twins.items():
        generator = LoadGenerator(measured, name, model.pairs, _judge_by(model.known), gpu=plan.gpu)
        found[twin_name(precision, plan.busy)] = partial(generator.closed_loop, unique, plan.busy)
    return found


def _judge_by(known: Sequence[str]) -> Judge:
    return lambda pair, answer: "right" if answer == known[pair] else "wrong"
