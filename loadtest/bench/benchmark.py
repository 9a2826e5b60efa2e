"""Measures one model: all workloads run in each round, so that noise on the machine affects them alike."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence

from rich.progress import Progress

from loadtest.bench.bench_result import Agreement, BenchResult
from loadtest.bench.floor import ExpectedAnswers, Floor
from loadtest.bench.load_generator import LoadGenerator
from loadtest.bench.measured_server import MeasuredServer
from loadtest.bench.mixes import CATALOGUE_SIZE, ZipfMix
from loadtest.bench.plan import BenchModel, BenchPlan
from loadtest.bench.results import WorkloadResult
from loadtest.bench.workloads import (
    Workload,
    closed_workloads,
    eager_workloads,
    local_workloads,
    open_workloads,
    parallel_workloads,
    twin_workloads,
)
from loadtest.peers.peer_process import ComparedServer
from loadtest.process_usage import memory_of
from vqaops.calibrating.processes import Processes
from vqaops.errors import ServerError

WARM_UP_SECONDS = 1.0
CACHE_FILL_SECONDS = 30.0


def measure(
    model: BenchModel,
    plan: BenchPlan,
    measured: MeasuredServer,
    progress: Progress,
    peers: Mapping[str, ComparedServer],
) -> BenchResult:
    """Load the floor, warm up, and run every workload in each round.

    Args:
        model: The model.
        plan: How it is measured.
        measured: The server.
        progress: Shows the progress.
        peers: Other servers with the same weights by their titles (`eager_peers`).

    Raises:
        RecipeError: The floor does not load.
        ServerError: A workload gets no right answer at all, or the server ended.
    """
    count, run = len(measured.server.client.workers(model.name)), measured.server.run.resolve()
    command = "loadtest.bench.parallel_floor", str(model.recipe.resolve()), str(run)
    with Processes(command, model.recipe, count if count > 1 else 0, os.environ) as floors:
        return _measure(model, plan, measured, progress, parallel_workloads(plan, floors, count), peers)


def _measure(
    model: BenchModel,
    plan: BenchPlan,
    measured: MeasuredServer,
    progress: Progress,
    parallel: Mapping[str, Workload],
    peers: Mapping[str, ComparedServer],
) -> BenchResult:
    task = progress.add_task(f"{model.name}: expected answers", total=None)
    floor = Floor.load(model.recipe, measured.server.run)
    expected = floor.expected_answers([*model.pairs, *model.held_out])
    zipf = ZipfMix(model.pairs)
    generator = LoadGenerator(measured, model.name, model.pairs, expected.judge, gpu=plan.gpu)
    rates: dict[str, float] = {}
    local = {**local_workloads(model, plan, floor), **parallel}
    workloads = {
        **local,
        **closed_workloads(generator, plan, zipf),
        **open_workloads(generator, plan, rates),
        **twin_workloads(model, plan, measured),
        **eager_workloads(model, plan, peers),
    }
    generator.closed_loop(zipf, plan.busy, CACHE_FILL_SECONDS, most=2 * CATALOGUE_SIZE // plan.busy)

    results = {name: WorkloadResult(name, from_server=name not in local) for name in workloads}
    progress.update(task, total=(plan.rounds + 1) * len(workloads), completed=0)
    for number in range(plan.rounds + 1):
        for name, run in workloads.items():
            label = f"round {number} of {plan.rounds}" if number else "warm-up"
            progress.update(task, description=f"{model.name}: {label}: {name}")
            found = run(plan.seconds if number else min(WARM_UP_SECONDS, plan.seconds))
            if not found.answers:
                raise ServerError(
                    f"{model.name}, {name}: no right answer; {found.wrong} wrong, refused by status: {found.refused}"
                )
            rates[name] = found.answers / found.wall
            if number:
                results[name].measurements.append(found)
            progress.advance(task)
    workers = measured.server.client.workers(model.name)
    return BenchResult(
        model.name,
        plan,
        results,
        memory=[memory_of(worker.pid) for worker in workers],
        start_seconds=measured.start_seconds,
        worker_seconds=[measured.worker_seconds[one.pid] for one in workers if one.pid in measured.worker_seconds],
        agreement=_agreement(expected, model.known) if model.known else None,
        processes=max(1, len(parallel) and len(workers)),
    )


def _agreement(expected: ExpectedAnswers, known: Sequence[str]) -> Agreement:
    same = [ranked[0].answer == answer for ranked, answer in zip(expected.ranked, known, strict=True)]
    return Agreement(sum(same), len(same))
