"""CPU time that metrics and the prediction log add to an answer.

Three servers are measured in turn, so that noise on the machine affects them alike. The question is always the same and
answered from the cache: a model's own cost would hide the difference.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from itertools import repeat
from math import inf
from pathlib import Path
from statistics import median
from typing import Annotated

import typer
import yaml
from rich.progress import track
from rich.table import Table

from loadtest.bench.bench_models import find_recipe
from loadtest.bench.measured_server import java_process
from loadtest.fast_client import FastClient
from loadtest.loops import closed_loop
from loadtest.pairs import Pair, PairRequest
from loadtest.process_usage import cpu_seconds
from vqaops.building.build import build
from vqaops.console import new_console, one_line_errors
from vqaops.errors import ServerError
from vqaops.questions import read_samples
from vqaops.server.own_server import own_server
from vqaops.server.server import METRICS, Server

WARM_UP_REQUESTS = 1000


def main(
    model: Annotated[str, typer.Argument(help="A recipe's name.")] = "shapes",
    rounds: Annotated[int, typer.Option(help="How often each server is measured.")] = 15,
    requests: Annotated[int, typer.Option(help="Requests of a measurement.")] = 300,
    connections: Annotated[list[int] | None, typer.Option(help="Connections; repeatable. Default: 1 and 16.")] = None,
) -> None:
    """Measure the CPU time of an answer without metrics, with metrics, and with the prediction log too.

    Example: python loadtest/metrics_cost.py shapes --connections 1 --connections 16
    """
    counts = connections or [1, 16]
    with one_line_errors("metrics_cost"), ExitStack() as stack:
        recipe = find_recipe(model)
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="vqa-")))
        empty = folder / "no-metrics.yaml"
        gauge = {"name": "vqa_nothing", "unit": "Count", "dimensions": ["model_name"]}
        empty.write_text(yaml.safe_dump({"ts_metrics": {}, "model_metrics": {"gauge": [gauge]}}), encoding="utf-8")
        servers = {
            "neither": stack.enter_context(_start(recipe, folder / "a", log=False, metrics=empty)),
            "metrics": stack.enter_context(_start(recipe, folder / "b", log=False)),
            "metrics and prediction log": stack.enter_context(_start(recipe, folder / "c", log=True)),
        }
        for server in servers.values():
            cpu_ms(server, recipe, WARM_UP_REQUESTS, max(counts))
        found: dict[tuple[str, int], list[float]] = {(name, count): [] for name in servers for count in counts}
        for _ in track(range(rounds), "measuring", console=new_console(stderr=True), transient=True):
            for name, count in found:
                found[name, count].append(cpu_ms(servers[name], recipe, requests, count))
    table = Table("", *(f"CPU ms, {count} connections" for count in counts), title="median of all rounds")
    for name in servers:
        table.add_row(name, *(f"{median(found[name, count]):.3f}" for count in counts))
    new_console().print(table)


@contextmanager
def _start(recipe: Path, folder: Path, log: bool, metrics: Path = METRICS) -> Iterator[Server]:
    """Yield a server with a copy of the recipe; it stops with the block."""
    copy = shutil.copytree(recipe, folder / recipe.name)
    config = yaml.safe_load((copy / "model-config.yaml").read_text(encoding="utf-8"))
    config["handler"]["prediction_log"] = {"enabled": log}
    (copy / "model-config.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
    with own_server([build(copy, folder / "store")], folder / "run", metrics_config=str(metrics)) as server:
        yield server


def cpu_ms(server: Server, recipe: Path, requests: int, connections: int) -> float:
    """Return the CPU milliseconds of Java and workers per answer.

    Args:
        server: Is asked.
        recipe: Its first sample is asked.
        requests: Requests of all connections together.
        connections: Each sends its next request when the last is answered.

    Raises:
        ServerError: A request is not answered with 200.
    """
    sample, process, api = read_samples(recipe)[0], java_process(server), server.client
    request = PairRequest(Pair(0, sample.read_image(), sample.text), sample.read_image())
    streams = [repeat(request, max(1, requests // connections)) for _ in range(connections)]
    address, token = api.addresses.inference, api.token("inference")
    before = cpu_seconds(process)
    with closing(FastClient(address, token, recipe.name, connections)) as client:
        replies = closed_loop(client, streams, inf)
    if refused := [reply for reply in replies if reply.status != 200]:
        raise ServerError(f"{recipe.name} answered {refused[0].status}: {refused[0].body[:200]!r}")
    return 1000 * (cpu_seconds(process) - before).total / len(replies)


if __name__ == "__main__":
    typer.run(main)
