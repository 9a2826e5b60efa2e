"""Measures one model: all workloads run in each round, so that noise on the machine affects them alike."""

from __future__ import annotations

from collections.abc import Sequence

from rich.progress import Progress

from loadtest.bench.bench_result import Agreement, BenchResult
from loadtest.bench.floor import ExpectedAnswers, Floor
from loadtest.bench.load_generator import LoadGenerator
from loadtest.bench.measured_server import MeasuredServer
from loadtest.bench.mixes import CATALOGUE_SIZE, ZipfMix
from loadtest.bench.plan import BenchModel, BenchPlan
from loadtest.bench.results import WorkloadResult
from loadtest.bench.workloads import closed_workloads, local_workloads, open_workloads, twin_workloads
from loadtest.process_usage import memory_of
from vqaops.errors import ServerError

WARM_UP_SECONDS = 1.0
CACHE_FILL_SECONDS = 30.0


def measure(model: BenchModel, plan: BenchPlan, measured: MeasuredServer, progress: Progress) -> BenchResult:
    """Load the floor, warm up, and run every workload in each round.

    Raises:
        RecipeError: The floor does not load.
        ServerError: A workload gets no right answer at all, or the server ended.
    """
    task = progress.add_task(f"{model.name}: expected answers", total=None)
    floor = Floor.load(model.recipe)
    expected = floor.expected_answers([*model.pairs, *model.held_out])
    zipf = ZipfMix(model.pairs)
    generator = LoadGenerator(measured, model.name, model.pairs, expected.judge, gpu=plan.gpu)
    rates: dict[str, float] = {}
    local = local_workloads(model, plan, floor)
    workloads = {
        **local,
        **closed_workloads(generator, plan, zipf),
        **open_workloads(generator, plan, rates),
        **twin_workloads(model, plan, measured),
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
    )


def _agreement(expected: ExpectedAnswers, known: Sequence[str]) -> Agreement:
    same = [ranked[0].answer == answer for ranked, answer in zip(expected.ranked, known, strict=True)]
    return Agreement(sum(same), len(same))
