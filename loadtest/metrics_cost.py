"""What metrics and the prediction log cost: CPU time of the whole server for each answer, with them and without.

Three servers take turns, so that a busy machine is as busy for each. The question is always the same, and remembered:
what a model costs would hide what is looked for.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import median
from typing import Annotated

import typer
import yaml
from rich.console import Console
from rich.progress import track
from rich.table import Table

from loadtest.bench.usage import cpu_of
from vqaops.building.build import build
from vqaops.console import refuse
from vqaops.errors import ServerError
from vqaops.paths import ROOT
from vqaops.questions import read_samples
from vqaops.server.ports import own_ports
from vqaops.server.server import Server
from vqaserve.errors import RecipeError

READY_SECONDS = 180
WARM_UP = 1000


@contextmanager
def started(recipe: Path, folder: Path, log: bool, **properties: str) -> Iterator[Server]:
    """A server with its own copy of the recipe, for as long as the block lasts."""
    copy = shutil.copytree(recipe, folder / recipe.name)
    config = yaml.safe_load((copy / "model-config.yaml").read_text(encoding="utf-8"))
    config["handler"]["prediction_log"] = {"enabled": log}
    (copy / "model-config.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
    archives = [build(copy, folder / "store")]
    server = Server(folder / "run", overrides={**own_ports(), **properties})
    server.start(archives)
    try:
        for _ in server.wait_ready(archives, READY_SECONDS):
            pass
        yield server
    finally:
        server.stop(at_once=True)
        server.client.http.close()


def milliseconds(server: Server, recipe: Path, requests: int, connections: int) -> float:
    """CPU time of Java and workers for each of so many answers."""
    sample = read_samples(recipe)[0]
    picture, process = sample.read_image(), server.process()
    assert process
    before = cpu_of(process)
    with ThreadPoolExecutor(connections) as pool:
        list(pool.map(lambda _: server.client.ask(recipe.name, picture, sample.text), range(requests)))
    return 1000 * (cpu_of(process) - before).whole / requests


def main(
    model: Annotated[str, typer.Argument(help="A recipe.")] = "shapes",
    rounds: Annotated[int, typer.Option(help="Times that each server takes its turn.")] = 15,
    requests: Annotated[int, typer.Option(help="Requests in a turn.")] = 300,
    connections: Annotated[list[int] | None, typer.Option(help="Kept open at once.")] = None,
) -> None:
    """Measure what metrics and the prediction log add to an answer; the median of all turns.

    Example: loadtest/metrics_cost.py shapes --connections 1 --connections 16
    """
    recipe, lanes = ROOT / "recipes" / model, connections or [1, 16]
    with ExitStack() as stack:
        temporary = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="vqa-")))
        nothing = temporary / "nothing.yaml"
        gauge = {"name": "vqa_nothing", "unit": "Count", "dimensions": ["model_name"]}
        nothing.write_text(yaml.safe_dump({"ts_metrics": {}, "model_metrics": {"gauge": [gauge]}}), encoding="utf-8")
        try:
            servers = {
                "nothing is counted": stack.enter_context(
                    started(recipe, temporary / "a", log=False, metrics_config=str(nothing))
                ),
                "metrics": stack.enter_context(started(recipe, temporary / "b", log=False)),
                "metrics and prediction log": stack.enter_context(started(recipe, temporary / "c", log=True)),
            }
            for server in servers.values():
                milliseconds(server, recipe, WARM_UP, max(lanes))
            found: dict[tuple[str, int], list[float]] = {(name, lane): [] for name in servers for lane in lanes}
            for _ in track(range(rounds), "measuring", console=Console(stderr=True), transient=True):
                for name, lane in found:
                    found[name, lane].append(milliseconds(servers[name], recipe, requests, lane))
        except (RecipeError, ServerError) as error:
            refuse("metrics", error)
    table = Table("", *(f"CPU ms, {lane} at once" for lane in lanes))
    for name in servers:
        table.add_row(name, *(f"{median(found[name, lane]):.3f}" for lane in lanes))
    Console().print(table)


if __name__ == "__main__":
    typer.run(main)
