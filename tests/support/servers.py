"""Real TorchServe processes as fixtures, each with its own ports and folder, stopped by what started them."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from tests.support.archives import pack
from tests.support.pictures import encoded
from tests.support.recipes import RecipeMaker
from tests.tiny import make_weights
from tests.tiny.recipe import complete_recipe
from vqaops.paths import CONFIG
from vqaops.server.own_server import own_server
from vqaops.server.ports import own_ports
from vqaops.server.properties import read_properties
from vqaops.server.server import Server

BRIEF = {"vmargs": f"{read_properties(CONFIG)['vmargs']} -XX:TieredStopAtLevel=1"}
"""Java's options for a server that lives for seconds: its second compiler costs more CPU time than it saves."""


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
    """Makes servers that are not started yet, and stops those that were when the tests are over."""
    made: list[Server] = []

    def make(**overrides: str) -> Server:
        made.append(Server(run_folder() / "run", CONFIG, {**own_ports(), **BRIEF, **overrides}))
        return made[-1]

    yield make
    for server in made:
        server.stop(at_once=True)
        server.client.http.close()


@contextmanager
def _serving(run_folder: Callable[[], Path]) -> Iterator[Callable[..., Server]]:
    """Builds recipes and serves them, each call with a server of its own, until the block ends."""
    with ExitStack() as stack:

        def start(*recipes: Path, **overrides: str) -> Server:
            folder = run_folder()
            archives = [pack(recipe, folder / "store") for recipe in recipes]
            return stack.enter_context(own_server(archives, folder / "run", **{**BRIEF, **overrides}))

        yield start


@pytest.fixture
def serve_for_test(run_folder: Callable[[], Path]) -> Iterator[Callable[..., Server]]:
    """Serves recipes until the test is over."""
    with _serving(run_folder) as start:
        yield start


@pytest.fixture(scope="module")
def serve(run_folder: Callable[[], Path]) -> Iterator[Callable[..., Server]]:
    """Serves recipes until the tests of the file are over."""
    with _serving(run_folder) as start:
        yield start


@pytest.fixture(scope="session")
def serve_for_session(run_folder: Callable[[], Path]) -> Iterator[Callable[..., Server]]:
    """Serves recipes until all tests are over."""
    with _serving(run_folder) as start:
        yield start


TASK_MODELS = {
    "visual_question_answering": "dummy",
    "zero_shot_image_classification": "labels",
    "image_classification": "classes",
    "document_redaction_detection": "documents",
}
"""The models of ``tasks_server``."""


@pytest.fixture(scope="session")
def tasks_server(
    serve_for_session: Callable[..., Server], make_recipe: RecipeMaker, tmp_path_factory: pytest.TempPathFactory
) -> Server:
    """One server with a model for each task; only that of documents, which is tiny and random, has weights."""
    sample = {"image": "red.png", "labels": ["#ff0000", "#00ff00"], "answers": ["#ff0000"]}
    labels = make_recipe("labels", handler="  task: zero_shot_image_classification\n", sample=sample)
    sample = {"image": "red.png", "answers": ["4x3 #ff0000: "]}
    classes = make_recipe("classes", handler="  task: image_classification\n", sample=sample)
    documents = tmp_path_factory.mktemp("tiny") / "documents"
    documents.mkdir()
    settings = make_weights("redactions", documents / "weights")
    complete_recipe(documents, settings, encoded(size=(64, 64)), "")
    return serve_for_session(make_recipe(), labels, classes, documents)


@pytest.fixture(scope="session")
def dummy_server(serve_for_session: Callable[..., Server], make_recipe: RecipeMaker) -> Server:
    """One server with the weightless model ``dummy``, shared by all tests that leave it as it was."""
    return serve_for_session(make_recipe())
