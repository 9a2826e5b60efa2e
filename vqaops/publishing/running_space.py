"""A Space while it runs: its model's recipe, TorchServe, and the page in front of it."""

from __future__ import annotations

import shutil
import signal
import subprocess
import threading
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from rich.console import Console

from vqaops.errors import ServerError
from vqaops.importing.recipe_files import CONFIG
from vqaops.importing.recipes import check_device
from vqaops.importing.sources import Source, make_recipe
from vqaops.paths import MODEL_STORE, RECIPES
from vqaops.server.server import Server
from vqaops.server.start import Display, serve_recipes
from vqaops.server.tokens import renew_due
from vqaops.yaml_edit import with_values
from vqaserve.text_files import read_text

OWN_MODEL = "shapes"
"""The recipe that a Space without ``MODEL_REPO_ID`` serves."""


def space_recipe(repo: str | None, revision: str | None, device: str, run: Path, console: Console) -> Path:
    """The recipe to serve: fetched from the Hub, or the Space's own.

    Args:
        repo: ``USER/NAME`` on the Hub; None means the Space's own model.
        revision: A commit, branch or tag.
        device: ``auto``, ``cpu`` or ``cuda``.
        run: The server's run folder.
        console: Where the size of the download is printed.

    Raises:
        RecipeError: The device is not one, or the model cannot be fetched.
    """
    check_device(device)
    if repo:
        source = Source(hub=repo, revision=revision, device=device)
        named = RECIPES / source.name
        recipe = named if not named.exists() else RECIPES / f"hub-{source.name}"
        if not recipe.exists():
            make_recipe(source, recipe, console)
        return recipe
    if device == "auto":
        return RECIPES / OWN_MODEL
    recipe = run / "space" / OWN_MODEL  # a copy, because the recipe belongs to the project
    shutil.rmtree(recipe, ignore_errors=True)
    shutil.copytree(RECIPES / OWN_MODEL, recipe)
    text = read_text(recipe / CONFIG)
    (recipe / CONFIG).write_text(with_values(text, {"handler.device": device}), encoding="utf-8", newline="")
    return recipe


def run_space(server: Server, recipe: Path, page: Sequence[str], display: Display) -> None:
    """Serve the recipe, then run the page until SIGTERM or SIGINT; both end together.

    Args:
        server: The server; none may run in its folder.
        recipe: The recipe.
        page: The page's command line.
        display: Where progress is shown.

    Raises:
        RecipeError: The recipe cannot be built.
        ServerError: The server does not start, or one of the two ended by itself: whoever started the Space shall start
            it again.
    """
    ending = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ending.set())
    try:
        serve_recipes(server, [recipe], MODEL_STORE, display)
        with subprocess.Popen(page) as process:
            try:
                _watch(server, process, ending)
            finally:
                process.terminate()
    finally:
        server.stop()


def _watch(server: Server, page: subprocess.Popen[bytes], ending: threading.Event) -> None:
    """Renew the server's tokens until the signal comes; raise if the server or the page ends."""
    while not ending.wait(1):
        if page.poll() is not None:
            raise ServerError(f"the page ended with status {page.returncode}; its own message is above")
        if server.process() is None:
            raise ServerError(f"TorchServe ended by itself; see {server.folder.logs}")
        with suppress(ServerError):  # a lost key file is no reason to stop a server that answers
            renew_due(server)
