"""Server CPU time for each answer and latency, beside the bare model's road, interleaved in one run.

CPU time (user and system, the whole process tree) holds on noisy machines, requests per second do not. The floor
is the same road in one process without a server: JPEG bytes -> picture -> features -> ranked answers, in batches.
"""

from __future__ import annotations

import json
import os
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import psutil
import typer
from PIL import Image
from rich.console import Console
from rich.progress import track
from rich.table import Table

from scripts.build_mar import ROOT, archive_of
from scripts.client import Client, ServerError
from scripts.serve import samples
from scripts.server import ALLOCATOR, Server
from vqaserve.families import find_family
from vqaserve.families.base import Family
from vqaserve.images import open_picture
from vqaserve.settings import HandlerSettings, ModelConfig
from vqaserve.types import Query


@dataclass
class Measured:
    """What the rounds of one way of answering add up to."""

    answers: int = 0
    cpu_seconds: float = 0.0
    wall_seconds: float = 0.0
    latencies: list[float] = field(default_factory=list)

    def row(self, name: str) -> list[str]:
        p50, p95, p99 = (1000 * np.percentile(self.latencies, share) for share in (50, 95, 99))
        rate, cpu = self.answers / self.wall_seconds, self.cpu_milliseconds
        return [name, f"{rate:.1f}", f"{cpu:.2f}", f"{p50:.1f}", f"{p95:.1f}", f"{p99:.1f}"]

    @property
    def cpu_milliseconds(self) -> float:
        return 1000 * self.cpu_seconds / self.answers


def unique_queries(recipe: Path, count: int, seed: int) -> list[Query]:
    """Different pictures, as JPEG files: the recipe's samples, each with other pixels for each seed."""
    generator = np.random.default_rng(seed)
    known = list(samples(recipe))
    queries = []
    for index in range(count):
        sample = known[index % len(known)]
        picture = np.asarray(Image.open(recipe / "samples" / sample["image"]).convert("RGB"), dtype=np.int16)
        noisy = np.clip(picture + generator.integers(-2, 3, picture.shape), 0, 255).astype(np.uint8)
        file = BytesIO()
        Image.fromarray(noisy).save(file, "JPEG", quality=88)
        queries.append(Query(file.getvalue(), sample["question"], top_k=5))
    return queries


def floor_round(family: Family[Any, Any], settings: HandlerSettings, queries: list[Query], batch: int) -> Measured:
    """Answer the queries without a server, one batch after the other."""
    measured = Measured(answers=len(queries))
    cpu, wall = time.process_time(), time.perf_counter()
    for start in range(0, len(queries), batch):
        began, part = time.perf_counter(), queries[start : start + batch]
        pictures = [open_picture(query.image, settings.limits).pixels for query in part]
        family.decode(family.forward(family.encode(pictures), part), part)
        measured.latencies.append(time.perf_counter() - began)
    measured.cpu_seconds, measured.wall_seconds = time.process_time() - cpu, time.perf_counter() - wall
    return measured


def server_round(client: Client, process: psutil.Process, model: str, queries: list[Query], lanes: int) -> Measured:
    """Ask the queries over HTTP, ``lanes`` at a time, each as soon as the one before is answered."""

    def ask(query: Query) -> float:
        began = time.perf_counter()
        client.ask(model, query.image, query.question, query.top_k)
        return time.perf_counter() - began

    cpu, wall = tree_cpu(process), time.perf_counter()
    with ThreadPoolExecutor(lanes) as pool:
        latencies = list(pool.map(ask, queries))
    return Measured(len(queries), tree_cpu(process) - cpu, time.perf_counter() - wall, latencies)


def tree_cpu(process: psutil.Process) -> float:
    """User and system seconds of a process and everything below it."""
    times = [one.cpu_times() for one in (process, *process.children(recursive=True))]
    return sum(one.user + one.system for one in times)


def add(total: Measured, more: Measured) -> None:
    total.answers += more.answers
    total.cpu_seconds += more.cpu_seconds
    total.wall_seconds += more.wall_seconds
    total.latencies += more.latencies


def main(
    models: Annotated[list[str] | None, typer.Argument(help="Recipes that the running server has loaded.")] = None,
    connections: Annotated[list[int] | None, typer.Option(help="Closed loops to measure.")] = None,
    rounds: Annotated[int, typer.Option(help="Times that each way takes its turn.")] = 4,
    questions: Annotated[int, typer.Option(help="Questions in a round.")] = 128,
    output: Annotated[Path, typer.Option(help="Where the figures go, as JSON.")] = ROOT / "run" / "bench.json",
) -> None:
    """Measure the running server (make serve) beside the bare model.

    CPU is the whole server's, user and system; floor/CPU is 1.00 for a server that costs nothing beside its model.

    Example: loadtest/bench.py rooms --connections 1 --connections 16
    """
    server, figures = Server(), {}
    process = server.process()
    if process is None:
        raise typer.BadParameter("no server is running; start it: make serve")
    for model in models or ["shapes", "rooms"]:
        try:
            totals = measure(
                server.client, process, ROOT / "recipes" / model, connections or [1, 16], rounds, questions
            )
        except ServerError as error:
            raise typer.BadParameter(str(error)) from None
        floor = totals["floor, batch 16"].cpu_milliseconds
        table = Table(
            title=f"{archive_of(ROOT / 'recipes' / model).path.name}: CPU and latency of an answer, every picture new"
        )
        for column in ("", "answers/s", "CPU ms", "p50 ms", "p95 ms", "p99 ms", "floor/CPU"):
            table.add_column(column, justify="left" if not column else "right")
        for name, measured in totals.items():
            table.add_row(*measured.row(name), f"{floor / measured.cpu_milliseconds:.2f}")
        Console().print(table)
        figures[model] = {
            name: {"rate": one.answers / one.wall_seconds, "cpu_ms": one.cpu_milliseconds}
            | {f"p{share}_ms": 1000 * float(np.percentile(one.latencies, share)) for share in (50, 95, 99)}
            for name, one in totals.items()
        }
    output.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")


def measure(
    client: Client, process: psutil.Process, recipe: Path, connections: list[int], rounds: int, questions: int
) -> dict[str, Measured]:
    """Totals by way of answering; each round gives every way its turn, so that noise falls on all alike."""
    settings = ModelConfig.read(recipe / "model-config.yaml").handler
    family = find_family(settings.family).load(recipe, settings)
    floors = {"floor, batch 1": 1, "floor, batch 16": 16}
    loops = {f"server, {lanes} at once": lanes for lanes in connections}
    totals = {name: Measured() for name in (*floors, *loops)}
    for number in track(range(rounds + 1), f"measuring {recipe.name}", console=Console(stderr=True)):
        for turn, name in enumerate(totals):
            # New pictures at every turn: the server remembers those that it has seen.
            queries = unique_queries(recipe, questions, seed=number * len(totals) + turn)
            if name in floors:
                measured = floor_round(family, settings, queries, floors[name])
            else:
                measured = server_round(client, process, recipe.name, queries, loops[name])
            if number:  # the first round warms up
                add(totals[name], measured)
    return totals


if __name__ == "__main__":
    if not ALLOCATOR.keys() <= os.environ.keys():
        # The floor keeps its memory as the workers do; glibc reads this at a process's start alone.
        os.execve(sys.executable, [sys.executable, *sys.argv], {**os.environ, **ALLOCATOR})
    typer.run(main)
