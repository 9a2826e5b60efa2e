"""`make serve` and `make stop`: from recipes to a server that has answered."""

from __future__ import annotations

import contextlib
import shlex
import signal
import threading
import time
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from vqaops.building.build import archive_of, build, is_current
from vqaops.console import refuse
from vqaops.errors import ServerError
from vqaops.paths import MODEL_STORE, ROOT
from vqaops.questions import read_samples
from vqaops.rollout.drain import wait_idle
from vqaops.server.management import Management
from vqaops.server.server import Server
from vqaops.server.tokens import renew_due
from vqaops.store import checksums
from vqaops.store.archive import Archive
from vqaops.store.state import State
from vqaserve.errors import RecipeError

READY_SECONDS = 120
RECIPES = [ROOT / "recipes" / "shapes", ROOT / "recipes" / "rooms"]

app = typer.Typer(no_args_is_help=True, add_completion=False)
console = Console(highlight=False, soft_wrap=True)

Recipes = Annotated[list[Path] | None, typer.Argument(help="Recipe folders; shapes and rooms by default.")]
Config = Annotated[Path, typer.Option(help="TorchServe's properties.")]
Store = Annotated[Path, typer.Option(help="The model store.")]
Sockets = Annotated[
    bool, typer.Option("--sockets", help="Unix sockets in the run folder instead of ports 8080 and 8081.")
]
Run = Annotated[Path, typer.Option(help="Folder for everything of the running server.")]


@app.command()
def start(
    recipes: Recipes = None,
    config: Config = ROOT / "config.properties",
    store: Store = MODEL_STORE,
    run: Run = ROOT / "run",
    sockets: Sockets = False,
) -> None:
    """Build what is not built yet, start TorchServe, wait until it is ready, and ask each model a question.

    Example: scripts/serve.py start recipes/shapes
    """
    began = time.monotonic()
    server = _server(run, config, sockets)
    chosen = [recipe.resolve() for recipe in recipes or RECIPES]
    try:
        archives = _archives(chosen, store)
        _ensure_running(server, archives)
        for recipe in chosen:
            _show_sample(server, recipe)
    except (RecipeError, ServerError) as error:
        refuse("make serve", error)
    took = time.monotonic() - began
    console.print(
        f"\n[green]Serving[/] after {took:.1f} s. Logs: {_from_here(server.run)}/logs. End it: [b]make stop[/]"
    )


@app.command()
def resume(config: Config = ROOT / "config.properties", run: Run = ROOT / "run", sockets: Sockets = False) -> None:
    """Start TorchServe with the versions, defaults and worker counts that it had, after a crash, a stop or a reboot.

    Nothing is built, and recipes are not looked at. Example: scripts/serve.py resume
    """
    server = _server(run, config, sockets)
    try:
        state = _resumable(server)
        _start(server, state)
        _wait(server, state)
    except (RecipeError, ServerError) as error:
        refuse("resume", error)


@app.command()
def foreground(
    config: Config = ROOT / "config.properties",
    run: Run = ROOT / "run",
    sockets: Sockets = False,
    drain: Annotated[float, typer.Option(min=0, help="Seconds that requests in hand get after SIGTERM.")] = 30,
) -> None:
    """As `resume`, and stay: for systemd and containers, which end it with SIGTERM and start it again when it fails.

    Example: scripts/serve.py foreground --drain 60
    """
    ending = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ending.set())
    server = _server(run, config, sockets)
    try:
        state = _resumable(server)
        _start(server, state)
        try:
            _stay(server, state, ending, drain)
        finally:  # a supervisor that starts it again must not find the old one in the way
            server.stop()
    except (RecipeError, ServerError) as error:
        refuse("foreground", error)


@app.command()
def stop(run: Run = ROOT / "run") -> None:
    """End what `start` started, and nothing else.

    Example: scripts/serve.py stop
    """
    with console.status("stopping"):
        was_running = Server(run.resolve()).stop()
    console.print("stopped" if was_running else "no server was running")


def _server(run: Path, config: Path, sockets: bool) -> Server:
    run = run.resolve()
    return Server(run, config, _sockets_in(run) if sockets else None)


def _resumable(server: Server) -> State:
    state = server.state()
    if state is None or not state.models:
        raise ServerError(f"{server.state_file} names no model, so there is nothing to resume; start with: make serve")
    state.check()
    return state


def _stay(server: Server, state: State, ending: threading.Event, drain: float) -> None:
    """Until the signal comes, which may be before anything is ready, or until TorchServe ends."""
    _wait(server, state, ending)
    if ending.is_set():
        console.print("ending before it was ready")
        return
    console.print("serving until SIGTERM")
    while not ending.wait(1):
        if server.process() is None:
            raise ServerError(f"TorchServe ended by itself; see {server.run}/logs. Start it again: serve.py foreground")
        with contextlib.suppress(ServerError):  # of a lost key file: no reason to end what still answers
            renew_due(server)
    console.print("ending: waiting for the requests in hand")
    wait_idle(Management(server.client), drain)


def _sockets_in(run: Path) -> dict[str, str]:
    """Only who may enter the folder (mode 0700) reaches them; what scrapes metrics is seldom the same user."""
    return {f"{kind}_address": f"unix:{run / kind}.sock" for kind in ("inference", "management")}


def _archives(recipes: list[Path], store: Path) -> list[Archive]:
    """Each recipe's archive, built if it is missing or older than its sources."""
    archives = []
    for recipe in recipes:
        archive = archive_of(recipe, store)
        if not is_current(archive, recipe):
            console.print(f"building {archive.path.name}: packing, then trying it as a worker would")
            with console.status("building"):
                archive = build(recipe, store, replace=True)
        archive.check()
        sha256 = checksums.check(archive.path)
        size = archive.path.stat().st_size / 1e6
        console.print(f"{_from_here(archive.path)}  {size:.1f} MB  sha256 {sha256[:16]}...")
        archives.append(archive)
    return archives


def _ensure_running(server: Server, archives: list[Archive]) -> None:
    running = server.process()
    before = server.state()
    wanted = _wanted(before, archives)
    if running and wanted != before:
        console.print("the running server has other archives: ending the running server first")
        server.stop()
        running = None
    if running:
        console.print(f"already running (pid {running.pid})")
        for archive in archives:
            server.client.workers(archive.name)  # a lost or expired key is said at once, not after a wait
    else:
        _start(server, wanted)
    _wait(server, wanted)


def _wanted(before: State | None, archives: list[Archive]) -> State:
    """What these archives make of what was served: all else goes on being served."""
    store = archives[0].path.parent.resolve()
    state = before if before and before.store == store else State(store=store)
    for archive in archives:
        state = state.with_recipe(archive)
    for other in state.archives():
        if not other.path.exists():
            console.print(f"{other.name} {other.version} is no longer served: {other.path} is gone")
            state = state.without(other.name, other.version)
        elif checksums.check(other.path) != state.models[other.name].versions[other.version].sha256:
            state = state.with_version(other)  # built anew by hand
    return state


def _start(server: Server, state: State) -> None:
    console.print("starting TorchServe")
    server.start(state)


def _wait(server: Server, state: State, ending: threading.Event | None = None) -> None:
    """Until every version is ready, or somebody wants an end."""
    with console.status("starting TorchServe") as status:
        for states in server.wait_ready(state.archives(), READY_SECONDS):
            status.update("  ".join(f"{name}: {_worded(workers)}" for name, workers in states.items()))
            if ending and ending.is_set():
                return
    for name, workers in states.items():
        console.print(f"{name}: {_worded(workers)}")


def _worded(workers: list[str]) -> str:
    ready = workers.count("READY")
    return f"{ready} of {len(workers)} workers ready" if workers else "starting"


def _show_sample(server: Server, recipe: Path) -> None:
    sample = read_samples(recipe)[0]
    reply = server.client.ask(recipe.name, sample.read_image(), sample.text)
    shown, addresses = _from_here(sample.image), server.client.addresses
    table = Table(title=f"\n{recipe.name}: {sample.text}  ({shown})", title_justify="left", show_header=False)
    for answer in reply["answers"]:
        table.add_row(answer["answer"], f"{answer['score']:6.1%}", "█" * round(answer["score"] * 30))
    console.print(table)
    console.print(
        f"curl -H @{_from_here(server.auth_header)} -F {shlex.quote(f'image=@{shown}')} "
        f"-F {shlex.quote('question=' + sample.text)} "
        f"{addresses.curl(f'{addresses.inference}/predictions/{recipe.name}')}",
        markup=False,
    )


def _from_here(path: Path) -> Path:
    path, here = path.resolve(), Path.cwd()
    return path.relative_to(here) if path.is_relative_to(here) else path


if __name__ == "__main__":
    app()
