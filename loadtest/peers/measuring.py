"""One recipe behind every server: in each round each is started, warmed up, measured and ended, one at a time.

All at once would fight for memory and cores. The floor, the bare model in this process, takes its turn with them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

from rich.progress import Progress

from loadtest.bench.beside import FLOOR, OURS
from loadtest.bench.caller import Caller
from loadtest.bench.floor import Floor
from loadtest.bench.loops import Judge, closed
from loadtest.bench.measuring import WARM_SECONDS, closed_name, floor_name
from loadtest.bench.mixes import CATALOGUE, Ask, Mix, Pair, Zipf, chat, unique
from loadtest.bench.serving import started
from loadtest.bench.turns import Total, Turn
from loadtest.bench.usage import Memory, memory_of
from loadtest.peers.process import Target, serving
from loadtest.peers.table import Installed
from vqaops.errors import ServerError
from vqaops.store.archive import Archive
from vqaserve.settings import ModelConfig

BUSY = 16

Start = Callable[[], AbstractContextManager[Target]]


@dataclass(frozen=True, slots=True)
class Plan:
    """How long: rounds, seconds of a turn, and of warming a server up with each of two mixes."""

    rounds: int
    seconds: float
    warm: float


@dataclass(frozen=True)
class Subject:
    """What is served: the archive for ours, its own files for the others and the floor, and what is asked."""

    archive: Archive
    recipe: Path
    pairs: Sequence[Pair]

    @property
    def batch(self) -> int:
        """The recipe's own, for peers too."""
        return ModelConfig.read(self.recipe / "model-config.yaml").batchSize


@dataclass
class Result:
    """One server's figures.

    Attributes:
        totals: By way.
        memory: Of all its processes, after each round.
        start_seconds: In each round.
        failure: Why there are no more figures.
    """

    totals: dict[str, Total] = field(default_factory=dict)
    memory: list[Memory] = field(default_factory=list)
    start_seconds: list[float] = field(default_factory=list)
    failure: str = ""

    def add(self, way: str, turn: Turn) -> None:
        self.totals.setdefault(way, Total(way)).turns.append(turn)


def measure(
    subject: Subject, installed: Sequence[Installed], plan: Plan, folder: Path, progress: Progress
) -> dict[str, Result]:
    """Every server's figures by its title, ours first, the floor's at the end.

    Args:
        subject: What is served.
        installed: The peers.
        plan: How long.
        folder: Of the servers' own files.
        progress: Is told.

    Raises:
        RecipeError: The model does not load.
        ServerError: Ours does not start, or a server gives no right answer; a peer that does not start is noted.
    """
    task = progress.add_task(f"{subject.archive.name}: expected answers", total=None)
    floor = Floor.load(subject.recipe)
    judge = floor.expect(subject.pairs).judge
    ways = _ways(subject.pairs)
    starts = _starts(subject, installed, folder)
    results = {title: Result() for title in (*starts, FLOOR)}
    progress.update(task, total=plan.rounds * len(results), completed=0)
    for number in range(1, plan.rounds + 1):
        for title, result in results.items():
            progress.update(task, description=f"{subject.archive.name}: round {number} of {plan.rounds}: {title}")
            if title == FLOOR:
                _turn_of_floor(floor, subject, plan, result)
            elif not result.failure:
                try:
                    with starts[title]() as target:
                        _turn_of(target, subject, ways, judge, plan, result)
                except ServerError as error:
                    if title == OURS:
                        raise
                    result.failure = str(error)
            progress.advance(task)
    return results


def _ways(pairs: Sequence[Pair]) -> Mapping[str, tuple[Mix, int]]:
    zipf = Zipf(pairs)
    return {
        closed_name("unique", 1): (unique, 1),
        closed_name("unique", BUSY): (unique, BUSY),
        closed_name("chat", BUSY): (chat, BUSY),
        closed_name("zipf", BUSY): (zipf, BUSY),
    }


def _starts(subject: Subject, installed: Sequence[Installed], folder: Path) -> dict[str, Start]:
    first, model = Ask(subject.pairs[0], subject.pairs[0].photograph), subject.archive.name

    def ours() -> AbstractContextManager[Target]:
        return _ours(subject.archive, folder / "server")

    def of(one: Installed) -> Start:
        return lambda: serving(one, subject.recipe, model, subject.batch, first, folder / one.peer.module)

    return {OURS: ours, **{one.peer.title: of(one) for one in installed}}


@contextmanager
def _ours(archive: Archive, run: Path) -> Iterator[Target]:
    with started([archive], run) as running:
        client = running.server.client
        seconds = running.start_seconds or 0.0
        yield Target(client.addresses.inference, client.token("inference"), running.process, seconds)


def _turn_of(
    target: Target,
    subject: Subject,
    ways: Mapping[str, tuple[Mix, int]],
    judge: Judge,
    plan: Plan,
    result: Result,
) -> None:
    """Every way once, after both kinds of asking have warmed the server up: new pictures, and the popular ones."""

    def ask(way: str, seconds: float, most: int | None = None) -> Turn:
        mix, connections = ways[way]
        streams = [islice(mix(subject.pairs), most) for _ in range(connections)]
        with closing(Caller(target.address, target.key, subject.archive.name, connections)) as caller:
            turn = closed(caller, target.process, streams, seconds, judge)
        if not turn.answers:
            raise ServerError(f"{way}: no right answer; {turn.wrong} wrong, refused: {dict(turn.refused)}")
        return turn

    ask(closed_name("unique", BUSY), plan.warm)
    ask(closed_name("zipf", BUSY), plan.warm, 2 * CATALOGUE // BUSY)
    for way in ways:
        result.add(way, ask(way, plan.seconds))
    result.memory.append(memory_of(target.process.pid))
    result.start_seconds.append(target.start_seconds)


def _turn_of_floor(floor: Floor, subject: Subject, plan: Plan, result: Result) -> None:
    stream = unique(subject.pairs)
    for batch in dict.fromkeys((1, subject.batch)):
        floor.turn(stream, batch, min(WARM_SECONDS, plan.warm))
        result.add(floor_name(batch), floor.turn(stream, batch, plan.seconds))
