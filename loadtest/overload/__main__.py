"""Ten times more than a server can answer, and connections that only cost: what becomes of everybody else."""

from __future__ import annotations

import asyncio
import json
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

import psutil
import typer
from rich.console import Console

from loadtest.faults.archives import COLOURS, MODEL, SLOW, answer, picture
from loadtest.faults.server import staged
from loadtest.overload.connections import Nuisance, half_closed, idle, present, slow
from loadtest.overload.open_loop import Template, closed_loop, percentile, storm
from loadtest.samples import model_questions
from vqaops.console import refuse
from vqaops.errors import ServerError
from vqaops.paths import ROOT
from vqaops.server.server import Server
from vqaserve.settings import ModelConfig

SERVICE_SECONDS = 0.04
BACK_SECONDS = 5.0
NUISANCES: dict[str, tuple[Nuisance, int]] = {
    "clients that send a byte every 0.5 s": (slow, 200),
    "idle connections": (idle, 1000),
    "half-closed connections": (half_closed, 200),
}


@dataclass(frozen=True, slots=True)
class Target:
    """A model of a running server.

    Attributes:
        processes: Java and what it has started.
        queue: ``jobQueueSize``.
        batch: ``batchSize``.
        workers: How many there are.
    """

    templates: Sequence[Template]
    processes: Sequence[psutil.Process]
    queue: int
    batch: int
    workers: int

    def memory(self) -> int:
        """Resident bytes of all processes."""
        return sum(process.memory_info().rss for process in self.processes)


@dataclass(frozen=True, slots=True)
class Flood:
    """What came of ten times too much.

    Attributes:
        capacity: Answers a second when there are always enough questions.
        rate: Requests a second that were sent.
        accepted_p99: Seconds until an answer, from when its request was due.
        bound: Seconds that the queue, the batches before it and its own take at this capacity.
        refused_p99: Seconds until a 503, from when its request was due.
        lag_p99: Seconds that requests left late; part of the two above.
        others: Replies that were neither 200 nor 503, by status; 0 is no reply.
        memory: Resident MB before, after a quarter of the time, at most, and at the end.
        back: Seconds after the last request until a lone question is answered as quickly as before.
    """

    capacity: float
    rate: float
    accepted: int
    accepted_p99: float
    bound: float
    refused: int
    refused_p99: float
    lag_p99: float
    unsent: int
    wrong: int
    others: dict[int, int]
    memory: tuple[float, float, float, float]
    back: float

    @property
    def kept(self) -> bool:
        """Whether accepted ones kept the bound, the rest were refused, nothing was wrong, and all was well soon."""
        within = self.accepted_p99 <= self.bound + self.lag_p99
        return within and not self.others and not self.wrong and self.back <= BACK_SECONDS


def flood(target: Target, times: float, seconds: float) -> Flood:
    """Measure the capacity, exceed it, and watch.

    Raises:
        ServerError: The server does not answer even without the flood.
    """
    lanes = target.queue + target.workers * target.batch
    calm = asyncio.run(closed_loop(target.templates, lanes, 5))
    capacity = len(calm.of_status(200)) / max((one.answered for one in calm.sent), default=1)
    if not capacity:
        raise ServerError(f"no question was answered: {dict(calm.statuses)}")
    usual = _lone(target, 20)
    samples: list[tuple[float, int]] = [(0.0, target.memory())]
    with _sampled(target, samples):
        began = time.monotonic()
        result = asyncio.run(storm(target.templates, times * capacity, seconds))
        ended = began + seconds
    back = _seconds_until_usual(target, usual, ended)
    early = [size for moment, size in samples if moment <= seconds / 4]
    good, refused = result.of_status(200), result.of_status(503)
    megabytes = [samples[0][1], early[-1], max(size for _, size in samples), target.memory()]
    return Flood(
        capacity=capacity,
        rate=len(result.sent) / seconds,
        accepted=len(good),
        accepted_p99=percentile([one.seconds for one in good], 99),
        bound=(lanes + target.workers * target.batch) / capacity,
        refused=len(refused),
        refused_p99=percentile([one.seconds for one in refused], 99),
        lag_p99=result.lag,
        unsent=result.unsent,
        wrong=len(result.wrong),
        others={status: count for status, count in result.statuses.items() if status not in (200, 503)},
        memory=(megabytes[0] / 1e6, megabytes[1] / 1e6, megabytes[2] / 1e6, megabytes[3] / 1e6),
        back=back,
    )


def among(target: Target, nuisance: Nuisance, count: int, questions: int) -> float:
    """The 95th percentile (seconds) of a normal client among so many of these connections.

    Raises:
        ServerError: A question of the normal client was not answered.
    """

    async def ask() -> float:
        async with present(nuisance, count, target.templates[0]):
            result = await closed_loop(target.templates, 1, questions * SERVICE_SECONDS * 1.5)
        if set(result.statuses) != {200} or result.wrong:
            raise ServerError(f"among {count} {nuisance.__name__} connections: {dict(result.statuses)}")
        return percentile([one.seconds for one in result.sent], 95)

    return asyncio.run(ask())


@contextmanager
def slow_target(folder: Path) -> Iterator[Target]:
    """A server of its own whose model takes 40 ms for each question, on two workers: 50 a second."""
    with staged(folder, SLOW.format(seconds=SERVICE_SECONDS), jobQueueSize=32) as stage:
        url = f"{stage.client.addresses.inference}/predictions/{MODEL}"
        header = stage.client.header("inference")
        templates = [Template.of(url, header, picture(one), "what?", [answer(one, "what?")]) for one in COLOURS]
        yield Target(templates, _family(stage.server), queue=32, batch=8, workers=2)


def running_target(recipe: Path) -> Target:
    """A model of the running server, asked its own samples.

    Raises:
        ServerError: No server is running.
    """
    server = Server()
    url = f"{server.client.addresses.inference}/predictions/{recipe.name}"
    header = server.client.header("inference")
    questions = model_questions((str(recipe),))
    config = ModelConfig.read(recipe / "model-config.yaml")
    templates = [Template.of(url, header, one.picture, one.text, one.answers) for one in questions]
    workers = len(server.client.workers(recipe.name))
    return Target(templates, _family(server), config.jobQueueSize or 32, config.batchSize, workers)


def _family(server: Server) -> list[psutil.Process]:
    process = server.process()
    if process is None:
        raise ServerError(f"no server is running in {server.run}; start it: make serve")
    return [process, *process.children(recursive=True)]


def _lone(target: Target, questions: int) -> float:
    """Median seconds of one question at a time."""
    result = asyncio.run(closed_loop(target.templates, 1, questions * SERVICE_SECONDS * 1.5))
    return percentile([one.seconds for one in result.sent], 50)


def _seconds_until_usual(target: Target, usual: float, ended: float) -> float:
    """From the end of the storm until a question takes no more than twice as long as usual."""
    while time.monotonic() - ended < 60:
        result = asyncio.run(closed_loop(target.templates, 1, 0))
        if result.of_status(200) and result.sent[0].seconds < 2 * usual:
            break
    return time.monotonic() - ended


@contextmanager
def _sampled(target: Target, samples: list[tuple[float, int]]) -> Iterator[None]:
    """Add (seconds, resident bytes) twice a second."""
    over, began = threading.Event(), time.monotonic()

    def sample() -> None:
        while not over.wait(0.5):
            samples.append((time.monotonic() - began, target.memory()))

    thread = threading.Thread(target=sample)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def main(
    recipe: Annotated[
        Path | None, typer.Argument(exists=True, file_okay=False, help="A recipe that the running server has loaded.")
    ] = None,
    times: Annotated[float, typer.Option(help="How many times the measured capacity.")] = 10,
    seconds: Annotated[float, typer.Option(min=1, help="How long.")] = 60,
    output: Annotated[Path, typer.Option(help="Where the figures go, as JSON.")] = ROOT / "run" / "overload.json",
) -> None:
    """Flood a server and print who was served, who was refused, and how soon all was well again.

    Without a recipe that is a server of its own, whose model takes 40 ms for a question without using the processor:
    load generator and server share this machine, and the server's limits are to be seen, not the machine's.

    Example: python -m loadtest.overload; python -m loadtest.overload recipes/shapes --seconds 20
    """
    console = Console(highlight=False, soft_wrap=True)
    try:
        if recipe:
            result, neighbours = _play(running_target(recipe), times, seconds, console)
        else:
            with tempfile.TemporaryDirectory(prefix="vqa-", dir="/tmp") as folder, slow_target(Path(folder)) as target:
                result, neighbours = _play(target, times, seconds, console)
    except ServerError as error:
        refuse("overload", error)
    output.parent.mkdir(parents=True, exist_ok=True)
    output.write_text(json.dumps({**asdict(result), "kept": result.kept, "p95_among": neighbours}, indent=2) + "\n")
    raise typer.Exit(0 if result.kept else 1)


def _play(target: Target, times: float, seconds: float, console: Console) -> tuple[Flood, dict[str, float]]:
    with console.status(f"{times:g} times too much for {seconds:g} s"):
        result = flood(target, times, seconds)
    before, early, peak, after = result.memory
    console.print(
        f"capacity {result.capacity:.0f} a second; sent {result.rate:.0f} a second for {seconds:g} s "
        f"(99 % left within {1000 * result.lag_p99:.0f} ms of their time, {result.unsent} not sent)\n"
        f"accepted {result.accepted}: p99 {result.accepted_p99:.2f} s, bound {result.bound:.2f} s\n"
        f"wrong answers: {result.wrong}\n"
        f"refused with 503 {result.refused}: p99 {1000 * result.refused_p99:.0f} ms\n"
        f"other replies: {result.others or 'none'}\n"
        f"memory: {before:.0f} MB before, {early:.0f} after a quarter, {peak:.0f} at most, {after:.0f} at the end\n"
        f"back to usual {result.back:.1f} s after the last request"
    )
    neighbours = {"nobody": among(target, idle, 0, 50)}
    for name, (nuisance, count) in NUISANCES.items():
        with console.status(f"among {count} {name}"):
            neighbours[f"{count} {name}"] = among(target, nuisance, count, 50)
    for name, p95 in neighbours.items():
        console.print(f"p95 of a normal client among {name}: {1000 * p95:.0f} ms")
    return result, neighbours


if __name__ == "__main__":
    typer.run(main)
