"""A peer as a child of this process: started, ready, and ended with everything that it started."""

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

from loadtest.bench.caller import Caller
from loadtest.bench.mixes import Ask
from loadtest.peers.table import Installed
from loadtest.peers.worker_settings import WORKERS, Told
from vqaops.errors import ServerError
from vqaops.paths import ROOT
from vqaops.server.ports import free_ports
from vqaops.server.server import ALLOCATOR, INHERITED

READY_SECONDS = 120
NO_KEY = "none"
"""Peers look at no token."""


@dataclass(frozen=True, slots=True)
class Target:
    """A server that answers.

    Attributes:
        address: Of ``/predictions/<model>``.
        key: Its token.
        process: The first of its processes, which the others descend from.
        start_seconds: Until the model was ready in every worker.
    """

    address: str
    key: str
    process: psutil.Process
    start_seconds: float


@contextmanager
def serving(installed: Installed, recipe: Path, model: str, batch: int, ask: Ask, folder: Path) -> Iterator[Target]:
    """A peer that lives as long as the block.

    Args:
        installed: Which.
        recipe: What it serves.
        model: As the route names it.
        batch: The most requests that are computed together.
        ask: A first request: the block begins when it is answered.
        folder: Everything of it, emptied first; its log stays.

    Raises:
        ServerError: It ends, or is not ready in time.
    """
    shutil.rmtree(folder, ignore_errors=True)
    ready = folder / "ready"
    ready.mkdir(parents=True)
    told = Told(recipe.resolve(), model, free_ports(1)[0], batch, ready.resolve())
    kept = {key: value for key, value in os.environ.items() if INHERITED.fullmatch(key)}
    given = {
        **ALLOCATOR,
        **kept,
        "PYTHONPATH": str(told.recipe),  # the archive's own code, as in our workers
        "PYTHONDONTWRITEBYTECODE": "1",
        **installed.peer.environment,
        **told.environment(),
    }
    began = time.monotonic()
    with (folder / "log").open("wb") as log:
        child = subprocess.Popen(
            [installed.python, "-m", f"loadtest.peers.{installed.peer.module}"],
            cwd=ROOT,
            env=given,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # by which `_end` knows what is left of it
        )
    try:
        address = f"http://127.0.0.1:{told.port}"
        with closing(Caller(address, NO_KEY, model, 1)) as caller:
            _wait(child, caller, ask, told.ready, began + READY_SECONDS)
        yield Target(address, NO_KEY, psutil.Process(child.pid), time.monotonic() - began)
    except ServerError as error:
        raise ServerError(f"{installed.peer.title}: {error}; see {folder / 'log'}") from None
    finally:
        _end(child)


def _wait(child: subprocess.Popen[bytes], caller: Caller, ask: Ask, ready: Path, deadline: float) -> None:
    """Until every worker has loaded the model and a request is answered.

    Raises:
        ServerError: The server ended, or time is up.
    """
    status, said = 0, b"its workers have not loaded the model"
    while time.monotonic() < deadline:
        if child.poll() is not None:
            raise ServerError(f"it ended with status {child.returncode}")
        if len(list(ready.iterdir())) >= WORKERS:
            status, said = caller(ask)
            if status == 200:
                return
        time.sleep(0.1)
    raise ServerError(f"not ready after {READY_SECONDS} s: {status} {said[:200].decode(errors='replace')}")


def _end(child: subprocess.Popen[bytes]) -> None:
    """End it and what it started at once; nobody waits for an answer.

    Some have children that outlive their parents: they are known by the session. Some start a child anew that was ended
    first: hence again, until none is left.
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
