"""A Ray Serve cluster of this machine as a fixture, started by the command and asked like a TorchServe."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from tests.support.gateways import RunningGateway
from tests.support.pictures import encoded
from tests.support.recipes import RecipeMaker
from tests.support.rollout import versioned
from vqaops.building.build import build
from vqaops.errors import ServerError
from vqaops.paths import ROOT
from vqaops.server.ports import free_ports
from vqaops.server.server import Server

READY_SECONDS = 300


@contextmanager
def serving_with_ray(folder: Path, *archives: Path, options: tuple[str, ...] = ("--cpus", "4")) -> Iterator[Server]:
    """Serve archives until the block ends."""
    folder.mkdir(exist_ok=True)
    run, port = folder / "run", str(free_ports(1)[0])
    words = ["serve", *map(str, archives), "--run", str(run), "--port", port, *options]
    with (folder / "log").open("wb") as log:
        child = subprocess.Popen([sys.executable, "-m", "deploy.ray", *words], cwd=ROOT, stdout=log, stderr=log)
    try:
        deadline = time.monotonic() + READY_SECONDS
        while "Serving at" not in (printed := (folder / "log").read_text()):
            assert child.poll() is None, printed
            assert time.monotonic() < deadline, printed
            time.sleep(0.1)
        server = Server(run)
        yield server
        server.client.http.close()
    finally:
        child.terminate()
        child.wait(60)


@pytest.fixture(scope="session")
def ray_server(run_folder: Callable[[], Path], make_recipe: RecipeMaker) -> Iterator[Server]:
    """One Ray Serve with two versions of ``dummy``, 1.0.0 the default, shared by all tests that leave it as it was."""
    folder = run_folder()
    new, default = (build(versioned(make_recipe, version), folder / "store") for version in ("2.0.0", "1.0.0"))
    with serving_with_ray(folder, new.path, default.path) as server:
        yield server


@pytest.fixture(scope="session")
def ray_gateway(ray_server: Server, new_gateway: Callable[..., RunningGateway]) -> RunningGateway:
    """The gateway in front of ``ray_server``."""
    return new_gateway(ray_server.run)


@pytest.fixture(params=["gateway", pytest.param("ray_gateway", marks=pytest.mark.ray)])
def any_gateway(request: pytest.FixtureRequest) -> RunningGateway:
    """The gateway in front of TorchServe, then of Ray Serve, with the same versions of the same model."""
    running: RunningGateway = request.getfixturevalue(request.param)
    return running


@pytest.fixture(scope="session", params=["dummy_server", pytest.param("ray_server", marks=pytest.mark.ray)])
def any_server(request: pytest.FixtureRequest) -> Server:
    """TorchServe, then Ray Serve, with the same archive: a client cannot tell which answers."""
    server: Server = request.getfixturevalue(request.param)
    return server


def replicas(server: Server) -> int:
    """How many can answer."""
    return len(server.client.workers("dummy"))


@contextmanager
def retrying(server: Server, connections: int) -> Iterator[list[str]]:
    """Clients that send failed requests again; what they were answered, an error included."""
    answers: list[str] = []
    ending = threading.Event()

    def ask() -> None:
        while not ending.wait(0.02):
            try:
                answers.append(server.client.ask("dummy", encoded("red"), "what?")["answer"])
            except (ServerError, httpx.HTTPError) as error:
                answers.append(repr(error))

    threads = [threading.Thread(target=ask, daemon=True) for _ in range(connections)]
    for thread in threads:
        thread.start()
    try:
        yield answers
    finally:
        ending.set()
        for thread in threads:
            thread.join(60)
