"""The command behind `make bench` and `make bench-gpu`."""

from __future__ import annotations

import os
import sys
import time
from contextlib import ExitStack
from itertools import pairwise
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from loadtest.bench.bench_models import MODELS, find_model
from loadtest.bench.bench_report import show, write_report
from loadtest.bench.bench_result import BenchResult
from loadtest.bench.benchmark import measure
from loadtest.bench.eager_peers import eager_peers
from loadtest.bench.gpu import require_gpu
from loadtest.bench.measured_server import running_server, start_measured
from loadtest.bench.plan import BenchPlan
from vqaops.console import finite, new_console, one_line_errors
from vqaops.paths import RUN
from vqaops.server.java_command import ALLOCATOR

app = typer.Typer(add_completion=False)


@app.command()
def main(
    models: Annotated[
        list[str] | None,
        typer.Argument(
            help="rooms, vilt and effnet-b2 (random weights, made here), shapes, recipe folders or .mar files."
        ),
    ] = None,
    connections: Annotated[
        list[int] | None, typer.Option(help="Connections of a closed loop; repeatable. Default: 1, 4, 16, 32.")
    ] = None,
    busy: Annotated[int, typer.Option(help="Connections of the mixes chat and zipf, and of the bars.")] = 16,
    rounds: Annotated[int, typer.Option(help="How often each workload runs.")] = 3,
    seconds: Annotated[float, typer.Option(callback=finite, min=0.01, help="Duration of a workload in a round.")] = 2.0,
    use_running: Annotated[
        bool, typer.Option("--running", help="Measure the server of `make serve` instead of starting one.")
    ] = False,
    gpu: Annotated[bool, typer.Option("--gpu", help="Require a GPU, and report how busy it is.")] = False,
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder of the report.")] = RUN / "bench",
) -> None:
    """Measure what an answer costs a server, beside the bare model, and compare with the bars.

    Each model gets a server on free ports. CPU is the whole server's user and system time per answer. A server that
    adds nothing to its model's cost has floor/CPU 1.00. Every answer is checked.

    Example: python -m loadtest.bench rooms --connections 1 --connections 16 --rounds 1
    """
    console = new_console()
    if gpu:
        require_gpu()
    closed = tuple(sorted({*(connections or [1, 4, 16, 32]), 1, busy}))
    plan = BenchPlan(rounds=rounds, seconds=seconds, connections=closed, busy=busy, gpu=gpu)
    results: dict[str, BenchResult] = {}
    columns = (TextColumn("{task.description:<60}"), BarColumn(), TimeElapsedColumn())
    with one_line_errors("make bench"):
        for name in models or MODELS:
            moments = [time.monotonic()]
            model, archives = find_model(name, output, console)
            moments.append(time.monotonic())
            with ExitStack() as stack:
                if use_running:
                    server = running_server(model.name)
                else:
                    with console.status(f"starting a server with {model.name}"):
                        server = stack.enter_context(start_measured(archives, output / "server"))
                with console.status("starting other servers"):
                    peers = stack.enter_context(eager_peers(model, output / "peers"))
                progress = stack.enter_context(Progress(*columns, console=new_console(stderr=True), transient=True))
                moments.append(time.monotonic())
                results[model.name] = measure(model, plan, server, progress, peers)
            moments.append(time.monotonic())
            made, started, measured = (round(end - start) for start, end in pairwise(moments))
            console.print(f"{model.name}: made in {made} s, servers started in {started} s, measured in {measured} s")
        bars = write_report(results, output)
    show(results, bars, console)
    console.print(f"Report: {output / 'report.md'}", markup=False)


if __name__ == "__main__":
    if not ALLOCATOR.keys() <= os.environ.keys():
        # The floor uses the workers' malloc settings, which glibc reads only when a process starts.
        os.execve(sys.executable, [*sys.orig_argv], {**os.environ, **ALLOCATOR})
    app()
