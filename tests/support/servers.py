"""Real TorchServe processes as fixtures, each with its own ports and folder, ended by what started them."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.recipes import RecipeMaker
from vqaops.building.build import build
from vqaops.paths import ROOT
from vqaops.server.ports import own_ports
from vqaops.server.server import Server
from vqaops.store.archive import Archive

START_SECONDS = 180


@pytest.fixture(scope="session")
def run_folder() -> Iterator[Callable[[], Path]]:
    """Makes folders with paths short enough for unix sockets, which pytest's own are not."""
    made: list[Path] = []

    def make() -> Path:
        made.append(Path(tempfile.mkdtemp(prefix="vqa-", dir="/tmp")))
        return made[-1]

    yield make
    for folder in made:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def new_server(run_folder: Callable[[], Path]) -> Iterator[Callable[..., Server]]:
    """Makes servers that are not started yet; whatever became of them, they are ended when the tests are over."""
    made: list[Server] = []

    def make(**overrides: str) -> Server:
        made.append(Server(run_folder() / "run", ROOT / "config.properties", {**own_ports(), **overrides}))
        return made[-1]

    yield make
    for server in made:
        server.stop(at_once=True)
        server.client.http.close()


@pytest.fixture(scope="session")
def serve(new_server: Callable[..., Server], run_folder: Callable[[], Path]) -> Callable[..., Server]:
    """Builds recipes and serves them until the tests are over."""

    def start(*recipes: Path, **overrides: str) -> Server:
        store = run_folder() / "store"
        archives: list[Archive] = [build(recipe, store) for recipe in recipes]
        server = new_server(**overrides)
        server.start(archives)
        for _ in server.wait_ready(archives, START_SECONDS):
            pass
        return server

    return start


@pytest.fixture(scope="session")
def dummy_server(serve: Callable[..., Server], make_recipe: RecipeMaker) -> Server:
    """One server with the weightless model ``dummy``, shared by all tests that leave it as it was."""
    return serve(make_recipe())
