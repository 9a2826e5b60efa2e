"""`make serve` and `make stop`: from recipes to a server that has answered."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from vqaops.console import finite, new_console, one_line_errors
from vqaops.gateway.nginx import Gateway
from vqaops.paths import CONFIG, MODEL_STORE, RUN, SERVED, resolved, short_path
from vqaops.questions import read_samples
from vqaops.server.curl import curl_command
from vqaops.server.foreground import run_in_foreground
from vqaops.server.replies import ranked_answers
from vqaops.server.run_folder import RunFolder
from vqaops.server.server import Server
from vqaops.server.start import Display, resumable_state, serve_recipes, start_and_wait

app = typer.Typer(no_args_is_help=True, add_completion=False)
console = new_console()

PAGE_SECONDS = 10
"""How long the chat page may take to end."""

Recipes = Annotated[list[Path] | None, typer.Argument(help="Recipe folders; by default shapes and rooms.")]
Config = Annotated[Path, typer.Option(help="TorchServe's properties.")]
Store = Annotated[Path, typer.Option(help="The model store.")]
Sockets = Annotated[
    bool, typer.Option("--sockets", help="Listen on unix sockets in the run folder instead of ports 8080 and 8081.")
]
Run = Annotated[Path, typer.Option(help="Run folder: all files of the running server.")]
NoCalibration = Annotated[
    bool,
    typer.Option(
        "--no-calibration",
        help="Measure nothing: models that say `auto` compute in the way that suits such processors.",
    ),
]
FirstStore = Annotated[
    Path | None,
    typer.Option(
        "--store",
        help="Model store whose archives are served if nothing was before; the highest version of a model by default.",
    ),
]
GatewayConfig = Annotated[
    Path | None,
    typer.Option("--gateway", help="Run the gateway with these settings, such as deploy/gateway/gateway.yaml."),
]
Drain = Annotated[float, typer.Option(callback=finite, min=0, help="Seconds that accepted requests get after SIGTERM.")]


@app.command()
def start(
    recipes: Recipes = None,
    config: Config = CONFIG,
    store: Store = MODEL_STORE,
    run: Run = RUN,
    sockets: Sockets = False,
    no_calibration: NoCalibration = False,
) -> None:
    """Build the archives that are not current, start TorchServe, wait until it is ready, and ask each model a question.

    Example: scripts/serve.py start recipes/shapes
    """
    began = time.monotonic()
    with one_line_errors("make serve"):
        chosen = [resolved(recipe) for recipe in recipes or SERVED]
        server = _server(run, config, sockets)
        with _display() as display:
            serve_recipes(server, chosen, resolved(store), display, not no_calibration)
        for recipe in chosen:
            _show_answer(server, recipe)
    took, logs = time.monotonic() - began, escape(str(short_path(server.folder.logs)))
    console.print(f"\n[green]Serving[/] after {took:.1f} s. Logs: {logs}. Stop it: [b]make stop[/]")


@app.command()
def resume(
    config: Config = CONFIG, run: Run = RUN, sockets: Sockets = False, no_calibration: NoCalibration = False
) -> None:
    """Start TorchServe with the versions, defaults and worker counts that it had before a crash, a stop or a reboot.

    Builds nothing and reads no recipe. Example: scripts/serve.py resume
    """
    with one_line_errors("resume"), _display() as display:
        server = _server(run, config, sockets)
        start_and_wait(server, resumable_state(server), display, not no_calibration)


@app.command()
def foreground(
    config: Config = CONFIG,
    run: Run = RUN,
    sockets: Sockets = False,
    drain: Drain = 30,
    no_calibration: NoCalibration = False,
    store: FirstStore = None,
    gateway: GatewayConfig = None,
) -> None:
    """As `resume`, but stay in the foreground: for systemd and containers, which stop it with SIGTERM.

    Examples: scripts/serve.py foreground --drain 60; scripts/serve.py foreground --sockets --store /models --gateway
    gateway.yaml
    """
    with one_line_errors("foreground"), _display() as display:
        server = _server(run, config, sockets)
        front = Gateway(server.run, resolved(gateway)) if gateway else None
        run_in_foreground(server, drain, display, not no_calibration, store and resolved(store), front)


@app.command()
def stop(run: Run = RUN) -> None:
    """Stop the server that `start` started and the chat page in front of it, and nothing else.

    Example: scripts/serve.py stop
    """
    with one_line_errors("make stop"), console.status("stopping"):
        had_page = RunFolder(resolved(run)).page.stop(PAGE_SECONDS)
        was_running = Server(resolved(run)).stop()
    console.print("stopped" if was_running else "no server was running")
    if had_page:
        console.print("stopped the chat page")


def _server(run: Path, config: Path, sockets: bool) -> Server:
    run = resolved(run)
    # Only users who may enter the folder (mode 0700) reach the sockets. Metrics keep a port: another user reads them.
    addresses = {f"{kind}_address": f"unix:{run / kind}.sock" for kind in ("inference", "management")}
    return Server(run, config, addresses if sockets else None)


@contextmanager
def _display() -> Iterator[Display]:
    with console.status("") as status:
        yield Display(lambda text: console.print(escape(text)), lambda text: status.update(escape(text)))


def _show_answer(server: Server, recipe: Path) -> None:
    sample = read_samples(recipe)[0]
    reply = server.client.ask(recipe.name, sample.read_image(), sample.form)
    title = f"\n{recipe.name}: {sample.title}  ({short_path(sample.image)})"
    table = Table(title=escape(title), title_justify="left", show_header=False)
    for answer, score in ranked_answers(reply):
        table.add_row(escape(answer), f"{score:6.1%}", "█" * round(score * 30))
    console.print(table)
    console.print(curl_command(server, recipe.name, sample.image, sample.form), markup=False)


if __name__ == "__main__":
    app()
