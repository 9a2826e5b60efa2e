"""Measures one model behind every server: each round starts, warms up, measures and stops one server after the other.

All at once would compete for memory and cores. The floor, the bare model in this process, is measured in each round
too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

from rich.progress import Progress

from loadtest.bench.benchmark import WARM_UP_SECONDS
from loadtest.bench.floor import Floor
from loadtest.bench.load_generator import Judge, measure_loop
from loadtest.bench.measured_server import start_measured
from loadtest.bench.mixes import CATALOGUE_SIZE, Mix, ZipfMix, chat, unique
from loadtest.bench.peer_bars import FLOOR, OURS
from loadtest.bench.results import Measurement, WorkloadResult
from loadtest.bench.workloads import closed_name, floor_name
from loadtest.fast_client import FastClient
from loadtest.loops import closed_loop
from loadtest.pairs import Pair, PairRequest
from loadtest.peers.archive_on_ray import start_archive
from loadtest.peers.known_peers import InstalledPeer
from loadtest.peers.peer_process import ComparedServer, start_peer
from loadtest.process_usage import MemoryMegabytes, memory_of
from vqaops.errors import ServerError
from vqaops.store.archive import Archive
from vqaserve.settings import ModelConfig

BUSY = 16
"""Connections of the busy workloads."""

Start = Callable[[], AbstractContextManager[ComparedServer]]


@dataclass(frozen=True, slots=True)
class ComparisonPlan:
    """Rounds, seconds of each workload, and seconds of warm-up with each of two mixes."""

    rounds: int
    seconds: float
    warm_up: float


@dataclass(frozen=True)
class ComparedModel:
    """A model to serve: its archive for our server, the unpacked archive for the others, and what is asked."""

    archive: Archive
    recipe: Path
    pairs: Sequence[Pair]

    @property
    def batch(self) -> int:
        """The recipe's batch size, which peers use too."""
        return ModelConfig.read(self.recipe / "model-config.yaml").batchSize


@dataclass
class ServerResult:
    """One server's figures.

    Attributes:
        workloads: By name.
        memory: Memory of all its processes, after each round.
        start_seconds: In each round.
        failure: Why there are no more figures.
    """

    workloads: dict[str, WorkloadResult] = field(default_factory=dict)
    memory: list[MemoryMegabytes] = field(default_factory=list)
    start_seconds: list[float] = field(default_factory=list)
    failure: str = ""

    def add(self, workload: str, measurement: Measurement) -> None:
        """Add a measurement of a workload."""
        self.workloads.setdefault(workload, WorkloadResult(workload)).measurements.append(measurement)


def compare_servers(
    model: ComparedModel, peers: Sequence[InstalledPeer], plan: ComparisonPlan, folder: Path, progress: Progress
) -> dict[str, ServerResult]:
    """Return each server's figures by its title: ours first, the floor's last.

    A peer that does not start is skipped from then on, and its result says why.

    Args:
        model: What is served.
        peers: The other servers.
        plan: How long each is measured.
        folder: Folder for the servers' files.
        progress: Shows the progress.

    Raises:
        RecipeError: The model does not load.
        ServerError: Our server does not start, or gives no right answer.
    """
    task = progress.add_task(f"{model.archive.name}: expected answers", total=None)
    floor = Floor.load(model.recipe, folder / "server")
    judge = floor.expected_answers(model.pairs).judge
    workloads = _workloads(model.pairs)
    starts = _starts(model, peers, folder)
    results = {title: ServerResult() for title in (*starts, FLOOR)}
    progress.update(task, total=plan.rounds * len(results), completed=0)
    for number in range(1, plan.rounds + 1):
        for title, result in results.items():
            progress.update(task, description=f"{model.archive.name}: round {number} of {plan.rounds}: {title}")
            if title == FLOOR:
                _measure_floor(floor, model, plan, result)
            elif not result.failure:
                try:
                    with starts[title]() as server:
                        _measure_server(server, model, workloads, judge, plan, result)
                except ServerError as error:
                    if title == OURS:
                        raise
                    result.failure = str(error)
            progress.advance(task)
    return results


def _workloads(pairs: Sequence[Pair]) -> Mapping[str, tuple[Mix, int]]:
    """Return mix and connections of each workload."""
    return {
        closed_name("unique", 1): (unique, 1),
        closed_name("unique", BUSY): (unique, BUSY),
        closed_name("chat", BUSY): (chat, BUSY),
        closed_name("zipf", BUSY): (ZipfMix(pairs), BUSY),
    }


def _starts(model: ComparedModel, peers: Sequence[InstalledPeer], folder: Path) -> dict[str, Start]:
    first, name = PairRequest(model.pairs[0], model.pairs[0].picture), model.archive.name

    def start_of(one: InstalledPeer) -> Start:
        own = folder / one.peer.module
        if one.peer.takes_archive:
            return lambda: start_archive(one, model.archive, first, own)
        return lambda: start_peer(one, model.recipe, name, model.batch, first, own)

    return {
        OURS: lambda: _start_ours(model.archive, folder / "server"),
        **{one.peer.title: start_of(one) for one in peers},
    }


@contextmanager
def _start_ours(archive: Archive, run: Path) -> Iterator[ComparedServer]:
    with start_measured([archive], run) as measured:
        api = measured.server.client
        seconds = measured.start_seconds or 0.0
        yield ComparedServer(api.addresses.inference, api.token("inference"), measured.process, seconds)


def _measure_server(
    server: ComparedServer,
    model: ComparedModel,
    workloads: Mapping[str, tuple[Mix, int]],
    judge: Judge,
    plan: ComparisonPlan,
    result: ServerResult,
) -> None:
    """Run every workload once, after a warm-up with unseen pictures and with popular ones."""

    def run(workload: str, seconds: float, most: int | None = None) -> Measurement:
        mix, connections = workloads[workload]
        streams = [islice(mix(model.pairs), most) for _ in range(connections)]
        with closing(FastClient(server.address, server.token, model.archive.name, connections)) as client:
            found = measure_loop(lambda: closed_loop(client, streams, seconds), server.process, judge)
        if not found.answers:
            raise ServerError(
                f"{workload}: no right answer; {found.wrong} wrong, refused by status: {dict(found.refused)}"
            )
        return found

    run(closed_name("unique", BUSY), plan.warm_up)
    run(closed_name("zipf", BUSY), plan.warm_up, 2 * CATALOGUE_SIZE // BUSY)
    for workload in workloads:
        result.add(workload, run(workload, plan.seconds))
    result.memory.append(memory_of(server.process.pid))
    result.start_seconds.append(server.start_seconds)


def _measure_floor(floor: Floor, model: ComparedModel, plan: ComparisonPlan, result: ServerResult) -> None:
    stream = unique(model.pairs)
    for batch in dict.fromkeys((1, model.batch)):
        floor.measure(stream, batch, min(WARM_UP_SECONDS, plan.warm_up))
        result.add(floor_name(batch), floor.measure(stream, batch, plan.seconds))
