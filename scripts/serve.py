"""`make serve` and `make stop`: from recipes to a server that has answered."""

from __future__ import annotations

import json
import shlex
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from scripts import checksums
from scripts.build_mar import MODEL_STORE, ROOT, Archive, archive_of, build, is_current
from scripts.client import ServerError
from scripts.refusal import refuse
from scripts.server import Server
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
    run = run.resolve()
    server = Server(run, config, _sockets_in(run) if sockets else None)
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
def stop(run: Run = ROOT / "run") -> None:
    """End what `start` started, and nothing else.

    Example: scripts/serve.py stop
    """
    with console.status("stopping"):
        was_running = Server(run.resolve()).stop()
    console.print("stopped" if was_running else "no server was running")


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
                archive = build(recipe, store)
        archive.check()
        sha256 = checksums.check(archive.path)
        size = archive.path.stat().st_size / 1e6
        console.print(f"{_from_here(archive.path)}  {size:.1f} MB  sha256 {sha256[:16]}...")
        archives.append(archive)
    return archives


def _ensure_running(server: Server, archives: list[Archive]) -> None:
    running = server.process()
    served = server.served() if running else {}
    if running and any(served.get(_placed(archive)) != archive.sha256 for archive in archives):
        console.print("the running server has other archives: ending the running server first")
        server.stop()
        running = None
    if running:
        console.print(f"already running (pid {running.pid})")
        for archive in archives:
            server.client.workers(archive.name)  # a lost or expired key is said at once, not after a wait
    else:
        # What it served beside these goes on being served.
        names = {archive.name for archive in archives}
        store = archives[0].path.resolve().parent
        others = [one for one in served if one.name not in names and one.path.parent == store and one.path.exists()]
        console.print("starting TorchServe")
        server.start([*archives, *others])
    with console.status("starting TorchServe") as status:
        for states in server.wait_ready(archives, READY_SECONDS):
            status.update("  ".join(f"{name}: {_worded(workers)}" for name, workers in states.items()))
    for name, workers in states.items():
        console.print(f"{name}: {_worded(workers)}")


def _placed(archive: Archive) -> Archive:
    return replace(archive, path=archive.path.resolve())


def _worded(workers: list[str]) -> str:
    ready = workers.count("READY")
    return f"{ready} of {len(workers)} workers ready" if workers else "starting"


def _show_sample(server: Server, recipe: Path) -> None:
    sample = next(samples(recipe))
    picture = recipe / "samples" / sample["image"]
    reply = server.client.ask(recipe.name, picture.read_bytes(), sample["question"])
    shown, addresses = _from_here(picture), server.client.addresses
    table = Table(title=f"\n{recipe.name}: {sample['question']}  ({shown})", title_justify="left", show_header=False)
    for answer in reply["answers"]:
        table.add_row(answer["answer"], f"{answer['score']:6.1%}", "█" * round(answer["score"] * 30))
    console.print(table)
    console.print(
        f"curl -H @{_from_here(server.auth_header)} -F {shlex.quote(f'image=@{shown}')} "
        f"-F {shlex.quote('question=' + sample['question'])} "
        f"{addresses.curl(f'{addresses.inference}/predictions/{recipe.name}')}",
        markup=False,
    )


def samples(recipe: Path) -> Iterator[dict[str, Any]]:
    """The recipe's sample questions: ``{"image", "question", "answers"}`` each."""
    for line in (recipe / "samples" / "questions.jsonl").read_text(encoding="utf-8").splitlines():
        yield json.loads(line)


def _from_here(path: Path) -> Path:
    path, here = path.resolve(), Path.cwd()
    return path.relative_to(here) if path.is_relative_to(here) else path


if __name__ == "__main__":
    app()
