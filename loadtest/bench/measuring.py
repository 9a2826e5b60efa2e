"""One model beside its floor: every way of answering takes its turn in each round, so that noise falls on all alike."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from rich.progress import Progress

from loadtest.bench.asking import Asking
from loadtest.bench.floor import Expected, Floor
from loadtest.bench.loops import Judge
from loadtest.bench.mixes import CATALOGUE, Mix, Pair, Zipf, chat, unique
from loadtest.bench.serving import Running
from loadtest.bench.turns import Total, Turn
from loadtest.bench.usage import Memory, memory_of
from vqaops.errors import ServerError

OTHERS = "others' road, batch 8"
WARM_SECONDS = 1.0
PRIMING_SECONDS = 30.0

Way = Callable[[float], Turn]
"""Answers for so many seconds."""


@dataclass(frozen=True)
class Plan:
    """How long, and what.

    Attributes:
        rounds: Times that each way takes its turn.
        seconds: Of a turn.
        connections: Of the closed loops with the mix ``unique``.
        busy: Connections of the other mixes; one of ``connections``.
        batches: Of the floor.
        shares: Of the measured capacity, for the open loops.
        gpu: Whether to look how busy the GPU is.
    """

    rounds: int = 3
    seconds: float = 2.0
    connections: tuple[int, ...] = (1, 4, 16, 32)
    busy: int = 16
    batches: tuple[int, ...] = (1, 4, 8, 16)
    shares: tuple[float, ...] = (0.5, 0.8, 0.95)
    gpu: bool = False


@dataclass(frozen=True)
class Subject:
    """What is measured.

    Attributes:
        name: The model's, in the report and in the server.
        recipe: The archive's own files, for the floor.
        pairs: What is asked.
        twins: Models of the same server with the same weights in other arithmetic, by its name.
        others: Whether the weights are a Hugging Face folder, to be measured as others serve it.
        held_out: Further pairs, numbered on from ``pairs``, that the floor alone answers.
        known: The fp32 answers to ``pairs`` and ``held_out``, where they are known.
    """

    name: str
    recipe: Path
    pairs: Sequence[Pair]
    twins: Mapping[str, str] = field(default_factory=dict)
    others: bool = False
    held_out: Sequence[Pair] = ()
    known: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Agreement:
    """Answers of the floor that are fp32's: ``same`` of those to ``pairs`` pairs."""

    same: int
    pairs: int

    @property
    def share(self) -> float:
        return self.same / self.pairs


@dataclass(frozen=True)
class Measured:
    """The figures of one subject.

    Attributes:
        name: The subject's.
        plan: What was done.
        totals: By way.
        memory: Of each worker at the end.
        start_seconds: From Java's start to the last worker's readiness; None of a server that ran already.
        worker_seconds: From each worker's own start to its readiness.
        agreement: With fp32, where its answers are known.
    """

    name: str
    plan: Plan
    totals: dict[str, Total]
    memory: list[Memory]
    start_seconds: float | None
    worker_seconds: list[float]
    agreement: Agreement | None

    @property
    def floor(self) -> Total:
        """The floor at its best batch."""
        return min((self.totals[floor_name(batch)] for batch in self.plan.batches), key=lambda total: total.cpu_ms)


def floor_name(batch: int) -> str:
    return f"floor, batch {batch}"


def closed_name(mix: str, connections: int) -> str:
    return f"{mix}, {connections} connection{'s' if connections > 1 else ''}"


def open_name(share: float) -> str:
    return f"open loop, {share:.0%}"


def twin_name(arithmetic: str, connections: int) -> str:
    return closed_name(f"{arithmetic} twin, unique", connections)


def measure(subject: Subject, plan: Plan, running: Running, progress: Progress) -> Measured:
    """Load the floor, warm up, and give every way its turns.

    Raises:
        RecipeError: The floor does not load.
        ServerError: A way gives no right answer at all, or the server ended.
    """
    task = progress.add_task(f"{subject.name}: expected answers", total=None)
    floor = Floor.load(subject.recipe)
    expected = floor.expect([*subject.pairs, *subject.held_out])
    rates: dict[str, float] = {}
    zipf = Zipf(subject.pairs)
    asking = Asking(running, subject.name, subject.pairs, expected.judge, gpu=plan.gpu)
    roads = _floor_ways(subject, plan, floor)
    ways = {
        **roads,
        **_closed_ways(asking, plan, zipf),
        **_open_ways(asking, plan, rates),
    }
    for arithmetic, model in subject.twins.items():
        twin = Asking(running, model, subject.pairs, _as_known(subject.known), gpu=plan.gpu)
        ways[twin_name(arithmetic, plan.busy)] = partial(twin.closed, unique, plan.busy)
    asking.closed(zipf, plan.busy, PRIMING_SECONDS, most=2 * CATALOGUE // plan.busy)

    totals = {name: Total(name, judged=name not in roads) for name in ways}
    progress.update(task, total=(plan.rounds + 1) * len(ways), completed=0)
    for number in range(plan.rounds + 1):
        for name, way in ways.items():
            label = f"round {number} of {plan.rounds}" if number else "warming up"
            progress.update(task, description=f"{subject.name}: {label}: {name}")
            turn = way(plan.seconds if number else min(WARM_SECONDS, plan.seconds))
            if not turn.answers:
                raise ServerError(
                    f"{subject.name}, {name}: no right answer; {turn.wrong} wrong, refused: {turn.refused}"
                )
            rates[name] = turn.answers / turn.wall
            if number:
                totals[name].turns.append(turn)
            progress.advance(task)
    workers = running.server.client.workers(subject.name)
    return Measured(
        subject.name,
        plan,
        totals,
        memory=[memory_of(worker.pid) for worker in workers],
        start_seconds=running.start_seconds,
        worker_seconds=[running.worker_seconds[one.pid] for one in workers if one.pid in running.worker_seconds],
        agreement=_agreement(expected, subject.known) if subject.known else None,
    )


def _floor_ways(subject: Subject, plan: Plan, floor: Floor) -> dict[str, Way]:
    stream = unique(subject.pairs)
    ways: dict[str, Way] = {floor_name(batch): partial(floor.turn, stream, batch) for batch in plan.batches}
    if subject.others:
        from loadtest.bench.others import OthersRoad  # imports transformers

        ways[OTHERS] = partial(OthersRoad(subject.recipe / "weights").turn, stream, 8)
    return ways


def _closed_ways(asking: Asking, plan: Plan, zipf: Mix) -> dict[str, Way]:
    ways: dict[str, Way] = {
        closed_name("unique", connections): partial(asking.closed, unique, connections)
        for connections in plan.connections
    }
    ways[closed_name("chat", plan.busy)] = partial(asking.closed, chat, plan.busy)
    ways[closed_name("zipf", plan.busy)] = partial(asking.closed, zipf, plan.busy)
    return ways


def _open_ways(asking: Asking, plan: Plan, rates: dict[str, float]) -> dict[str, Way]:
    """At shares of what the closed loops have lately reached."""
    closed = [closed_name("unique", connections) for connections in plan.connections]

    def ask(share: float, seconds: float) -> Turn:
        return asking.open(share * max(rates[name] for name in closed), seconds)

    return {open_name(share): partial(ask, share) for share in plan.shares}


def _as_known(known: Sequence[str]) -> Judge:
    return lambda pair, answer: "right" if answer == known[pair] else "wrong"


def _agreement(expected: Expected, known: Sequence[str]) -> Agreement:
    same = [ranked[0].answer == answer for ranked, answer in zip(expected.ranked, known, strict=True)]
    return Agreement(sum(same), len(same))
