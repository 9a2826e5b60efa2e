"""A peer as a child process: started, waited for, and stopped with all its descendants."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from loadtest.fast_client import FastClient
from loadtest.pairs import PairRequest
from loadtest.peers.known_peers import InstalledPeer
from loadtest.peers.peer_settings import WORKERS, PeerSettings
from vqaops.errors import ServerError
from vqaops.paths import ROOT
from vqaops.server.java_command import ALLOCATOR, INHERITED
from vqaops.server.ports import free_ports

READY_SECONDS = 120
NO_TOKEN = "none"
_POLL_SECONDS = 0.1


@dataclass(frozen=True, slots=True)
class ComparedServer:
    """A server that is ready to be measured.

    Attributes:
        address: Base URL of ``/predictions/<model>``.
        token: TorchServe's token.
        process: Its first process; the others are descendants.
        start_seconds: Until every worker had loaded the model.
    """

    address: str
    token: str
    process: psutil.Process
    start_seconds: float


@contextmanager
def start_peer(
    installed: InstalledPeer,
    recipe: Path,
    model: str,
    batch: int,
    request: PairRequest,
    folder: Path,
    eager: bool = False,
) -> Iterator[ComparedServer]:
    """Yield a running peer; it stops with the block.

    Args:
        installed: The peer.
        recipe: The unpacked archive.
        model: The model's name in the route.
        batch: The largest batch.
        request: The first request; the peer is ready when it is answered.
        folder: Folder for the peer's files, emptied first; its log remains.
        eager: Whether the recipe's weights are used by transformers in eager bf16, as the model's documentation shows.

    Raises:
        ServerError: The peer ends, or is not ready in time.
    """
    shutil.rmtree(folder, ignore_errors=True)
    ready = folder / "ready"
    ready.mkdir(parents=True)
    settings = PeerSettings(recipe.resolve(), model, free_ports(1)[0], batch, ready.resolve(), eager)
    began = time.monotonic()
    with (folder / "log").open("wb") as log:
        child = subprocess.Popen(
            [installed.python, "-m", f"loadtest.peers.{installed.peer.module}"],
            cwd=ROOT,
            env=_environment(installed, settings),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # `_stop` finds descendants by their session
        )
    try:
        address = f"http://127.0.0.1:{settings.port}"
        with closing(FastClient(address, NO_TOKEN, model, 1)) as client:
            _wait_ready(child, client, request, settings.ready, began + READY_SECONDS)
        yield ComparedServer(address, NO_TOKEN, psutil.Process(child.pid), time.monotonic() - began)
    except ServerError as error:
        raise ServerError(f"{installed.peer.title}: {error}; see {folder / 'log'}") from None
    finally:
        _stop(child)


def _environment(installed: InstalledPeer, settings: PeerSettings) -> dict[str, str]:
    return {
        **ALLOCATOR,
        **{key: value for key, value in os.environ.items() if INHERITED.fullmatch(key)},
        "PYTHONPATH": str(settings.recipe),  # the archive's own code, as in our workers
        "PYTHONDONTWRITEBYTECODE": "1",
        **installed.peer.environment,
        **settings.to_environment(),
    }


def _wait_ready(
    child: subprocess.Popen[bytes], client: FastClient, request: PairRequest, ready: Path, deadline: float
) -> None:
    """Wait until every worker has loaded the model and a request is answered.

    Raises:
        ServerError: The server ended, or is not ready in time.
    """
    status, body = 0, b"its workers have not loaded the model"
    while time.monotonic() < deadline:
        if child.poll() is not None:
            raise ServerError(f"it ended with status {child.returncode}")
        if len(list(ready.iterdir())) >= WORKERS:
            status, body = client.send(request)
            if status == 200:
                return
        time.sleep(_POLL_SECONDS)
    raise ServerError(f"not ready after {READY_SECONDS} s: {status} {body[:200].decode(errors='replace')}")


def _stop(child: subprocess.Popen[bytes]) -> None:
    """Kill a peer with all its descendants.

    Some peers leave children that outlive their parents; the session identifies them. Some restart a child that was
    killed first, so this repeats until none is left.
    """
    with suppress(psutil.NoSuchProcess):
        family = psutil.Process(child.pid).children(recursive=True)
        child.kill()
        _kill(family)
    child.wait()
    while left := [process for process in psutil.process_iter() if _session(process) == child.pid]:
        _kill(left)


def _session(process: psutil.Process) -> int | None:
    try:
        return None if process.status() == psutil.STATUS_ZOMBIE else os.getsid(process.pid)
    except (psutil.NoSuchProcess, ProcessLookupError):
        return None


def _kill(processes: list[psutil.Process]) -> None:
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs(processes, timeout=5)
