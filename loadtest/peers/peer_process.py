"""A peer as a child process: started, waited for, and stopped with all its descendants."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
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


@dataclass(frozen=True, slots=True)
class PeerProcess:
    """A peer that starts.

    Attributes:
        child: Its first process.
        began: When it was started, by the monotonic clock.
    """

    child: subprocess.Popen[bytes]
    began: float

    def wait_for(self, missing: Callable[[], str]) -> None:
        """Wait until nothing is missing any more.

        Args:
            missing: Says what is missing; empty if nothing is.

        Raises:
            ServerError: The server ended, or is not ready in time.
        """
        while what := missing():
            if self.child.poll() is not None:
                raise ServerError(f"it ended with status {self.child.returncode}")
            if time.monotonic() > self.began + READY_SECONDS:
                raise ServerError(f"not ready after {READY_SECONDS} s: {what}")
            time.sleep(_POLL_SECONDS)

    def first_answer(self, address: str, token: str, model: str, request: PairRequest) -> ComparedServer:
        """Return the server as soon as it answers.

        Raises:
            ServerError: It ended, or does not answer in time.
        """
        with closing(FastClient(address, token, model, 1)) as client:

            def refusal() -> str:
                status, body = client.send(request)
                return "" if status == 200 else f"{status} {body[:200].decode(errors='replace')}"

            self.wait_for(refusal)
        return ComparedServer(address, token, psutil.Process(self.child.pid), time.monotonic() - self.began)


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
        eager: Whether transformers uses the recipe's weights as the model's documentation shows.

    Raises:
        ServerError: The peer ends, or is not ready in time.
    """
    ready = folder.resolve() / "ready"
    settings = PeerSettings(recipe.resolve(), model, free_ports(1)[0], batch, ready, eager)
    code = {"PYTHONPATH": str(settings.recipe)}  # the archive's own code, as in our workers
    module = f"loadtest.peers.{installed.peer.module}"
    with peer_process(installed, [module], folder, {**code, **settings.to_environment()}) as starting:
        starting.wait_for(
            lambda: "" if len(list(ready.iterdir())) >= WORKERS else "its workers have not loaded the model"
        )
        yield starting.first_answer(f"http://127.0.0.1:{settings.port}", NO_TOKEN, model, request)


@contextmanager
def peer_process(
    installed: InstalledPeer, command: Sequence[str], folder: Path, environment: Mapping[str, str]
) -> Iterator[PeerProcess]:
    """Yield a process that starts; it and its descendants are killed with the block.

    Args:
        installed: Whose interpreter and variables it gets.
        command: What ``python -m`` runs: a module and its arguments.
        folder: Folder for its files, emptied first, with an empty folder ``ready``; its log remains.
        environment: Further variables.

    Raises:
        ServerError: The block raised it; the message names the peer and the log.
    """
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "ready").mkdir(parents=True)
    began = time.monotonic()
    with (folder / "log").open("wb") as log:
        child = subprocess.Popen(
            [installed.python, "-m", *command],
            cwd=ROOT,
            env=_environment(installed, environment),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # `_stop` finds descendants by their session
        )
    try:
        yield PeerProcess(child, began)
    except ServerError as error:
        raise ServerError(f"{installed.peer.title}: {error}; see {folder / 'log'}") from None
    finally:
        _stop(child)


def _environment(installed: InstalledPeer, environment: Mapping[str, str]) -> dict[str, str]:
    return {
        **ALLOCATOR,
        **{key: value for key, value in os.environ.items() if INHERITED.fullmatch(key)},
        "PYTHONDONTWRITEBYTECODE": "1",
        **installed.peer.environment,
        **environment,
    }


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
