"""From recipes to a running server: build what is missing, decide what to serve, start or restart, wait."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from vqaops.building.build import archive_of, build, is_current
from vqaops.calibrating.calibrate import Calibrator
from vqaops.errors import ServerError
from vqaops.paths import short_path
from vqaops.server.server import Server
from vqaops.store import checksums
from vqaops.store.archive import Archive
from vqaops.store.state import State, version_order

READY_SECONDS = 120


@dataclass(frozen=True, slots=True)
class Display:
    """Where progress is shown.

    Attributes:
        line: Prints a line.
        status: Replaces the one line that says what is being waited for.
    """

    line: Callable[[str], None]
    status: Callable[[str], None]


def serve_recipes(
    server: Server, recipes: Sequence[Path], store: Path, display: Display, measures: bool = True
) -> None:
    """Serve the archives of recipes, and wait until each has a worker that is ready.

    A server that runs already goes on if it serves these archives, else it is restarted. What it served besides goes on
    being served.

    Args:
        server: The server.
        recipes: Folders of recipes.
        store: The model store.
        display: Where progress is shown.
        measures: Whether archives that say ``auto`` are calibrated; else they follow the static rule.

    Raises:
        RecipeError: A recipe cannot be built, or an archive is damaged or not the one that the store's list names.
        ServerError: Two recipes build the same archive, or the server does not start.
    """
    archives = ensure_archives(recipes, store, display)
    running, before = server.process(), server.state()
    wanted = wanted_state(before, archives, display)
    if running and wanted != before:
        display.line("the running server serves other archives: stopping it first")
        server.stop()
        running = None
    if running:
        display.line(f"already running (pid {running.pid})")
        for archive in archives:
            server.client.workers(archive.name)  # reports a lost or expired token at once, not after a timeout
        await_ready(server, wanted, display)
    else:
        start_and_wait(server, wanted, display, measures)


def ensure_archives(recipes: Sequence[Path], store: Path, display: Display) -> list[Archive]:
    """Each recipe's archive, built if the store does not have it with the recipe's present content.

    Raises:
        RecipeError: As `serve_recipes`.
        ServerError: Two recipes build the same archive.
    """
    archives = [archive_of(recipe, store) for recipe in recipes]
    for number, archive in enumerate(archives):
        if archive in archives[:number]:
            other = recipes[archives.index(archive)]
            raise ServerError(f"{other} and {recipes[number]} both build {archive.path.name}; serve one of them")
    for recipe, archive in zip(recipes, archives, strict=True):
        if not is_current(archive, recipe):
            display.line(f"building {archive.path.name} and asking it its first sample")
            display.status("building")
            build(recipe, store, replace=True)
        archive.check()
        sha256 = checksums.check(archive.path)
        size = archive.path.stat().st_size / 1e6
        display.line(f"{short_path(archive.path)}  {size:.1f} MB  sha256 {sha256[:16]}...")
    return archives


def wanted_state(before: State | None, archives: Sequence[Archive], display: Display) -> State:
    """What to serve: these archives, and everything that was served from the same store before.

    Raises:
        RecipeError: An archive cannot be read, or is not the one that the store's list names.
    """
    store = archives[0].path.parent.resolve()
    state = before if before and before.store == store else State(store=store)
    for archive in archives:
        state = state.with_recipe(archive)
    for other in state.archives():
        if not other.path.exists():
            display.line(f"{other.name} {other.version} is no longer served: {other.path} is missing")
            state = state.without(other.name, other.version)
        elif checksums.check(other.path) != state.models[other.name].versions[other.version].sha256:
            state = state.with_version(other)  # built again by hand
    return state


def resumable_state(server: Server, store: Path | None = None) -> State:
    """What the server served last; if it has served nothing yet, all archives of a model store.

    Args:
        server: The server.
        store: The model store; without it, a server that has served nothing cannot be resumed.

    Raises:
        RecipeError: An archive in the store is not complete, or is not the one that the store's list names.
        ServerError: It served nothing and the store has no archive, or a served archive is missing or has changed.
    """
    state = server.state()
    if (state is None or not state.models) and store is not None:
        return stored_state(store)
    if state is None or not state.models:
        raise ServerError(f"{server.state_file} names no model, so there is nothing to resume; start with: make serve")
    state.check()
    return state


def stored_state(store: Path) -> State:
    """All archives of a model store; the highest version of a model is its default.

    Raises:
        RecipeError: An archive is not complete, or is not the one that the store's list names.
        ServerError: The store has no archive.
    """
    archives = [Archive.read(path) for path in sorted(store.glob("*.mar"))]
    if not archives:
        raise ServerError(f"{store} holds no archive (*.mar); build one into it: scripts/build_mar.py --store {store}")
    for archive in archives:
        checksums.check(archive.path)
    return State.of(sorted(archives, key=lambda archive: version_order(archive.version), reverse=True))


def start_and_wait(server: Server, state: State, display: Display, measures: bool = True) -> None:
    """Calibrate, start TorchServe and wait until every version is ready.

    Raises:
        RecipeError: An archive cannot be read.
        ServerError: The server does not start.
    """
    calibrate(server, state, display, measures)
    display.line("starting TorchServe")
    server.start(state)
    await_ready(server, state, display)


def calibrate(server: Server, state: State, display: Display, measures: bool) -> None:
    """Decide what ``auto`` means for the versions of a server that is about to start.

    Raises:
        RecipeError: An archive cannot be read.
        ServerError: The server could not start.
    """
    server.check()  # before a calibration of a minute, not after it
    Calibrator(server.folder, display.line, display.status, measures).calibrate(state.archives())


def await_ready(server: Server, state: State, display: Display, is_ending: Callable[[], bool] | None = None) -> None:
    """Wait until every version of a started server is ready.

    Args:
        server: The server.
        state: What it was started with.
        display: Where progress is shown.
        is_ending: Called about five times a second; the wait ends early once it returns True.

    Raises:
        ServerError: The server ended, a worker cannot load its archive, or they are not ready in time.
    """
    states: dict[str, list[str]] = {}
    display.status("starting TorchServe")
    for states in server.wait_ready(state.archives(), READY_SECONDS):
        display.status("  ".join(f"{name}: {_ready(workers)}" for name, workers in states.items()))
        if is_ending and is_ending():
            return
    for name, workers in states.items():
        display.line(f"{name}: {_ready(workers)}")


def _ready(workers: Sequence[str]) -> str:
    return f"{workers.count('READY')} of {len(workers)} workers ready" if workers else "starting"
