"""A server to be broken, with two clients that ask it all the while: one plain, one that asks again."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import httpx
import psutil

from loadtest.faults.archives import MODEL, build_faulty
from loadtest.faults.clients import Asked, Summary, Traffic, summarise
from vqaops.errors import ServerError
from vqaops.paths import ROOT
from vqaops.server.client import Client
from vqaops.server.ports import own_ports
from vqaops.server.retry import NEVER, RetryPolicy
from vqaops.server.server import Server
from vqaops.store.archive import Archive

START_SECONDS = 180
SETTLE_SECONDS = 90
GOOD_IN_A_ROW = 20


@dataclass(frozen=True)
class Stage:
    """A running server of the weightless model, with everything of it under one folder.

    Attributes:
        folder: Holds the run folder, the model store, and what faults need.
        server: The server.
        archive: Its default version.
        killed: Workers that TorchServe may still take for READY.
    """

    folder: Path
    server: Server
    archive: Archive
    killed: set[int] = field(default_factory=set)

    @classmethod
    def build(cls, folder: Path, fault: str = "", **settings: int) -> Self:
        """A server that is not started yet; the fault's lines and the recipe's settings as in ``build_faulty``."""
        server = Server(folder / "run", ROOT / "config.properties", own_ports())
        return cls(folder, server, build_faulty(folder / "store", fault, "1.0.0", **settings))

    @property
    def client(self) -> Client:
        return self.server.client

    @property
    def store(self) -> Path:
        return self.archive.path.parent

    def start(self) -> None:
        """Start the server and wait until every worker is ready.

        Raises:
            ServerError: It does not start.
        """
        self.server.start([self.archive])
        for _ in self.server.wait_ready([self.archive], START_SECONDS):
            pass
        self.wait_for_workers()

    def register(self, archive: Archive) -> httpx.Response:
        """Register a version over the management address, as TorchServe itself does it: without any check of ours."""
        return self.client.http.post(
            f"{self.client.addresses.management}/models",
            params={"url": archive.path.name, "synchronous": "false", "initial_workers": "1"},
            headers=self.client.header("management"),
        )

    def make_default(self, version: str) -> None:
        """Switch the default version."""
        url = f"{self.client.addresses.management}/models/{MODEL}/{version}/set-default"
        self.client.http.put(url, headers=self.client.header("management")).raise_for_status()

    def unregister(self, version: str) -> None:
        """Remove a version."""
        url = f"{self.client.addresses.management}/models/{MODEL}/{version}"
        self.client.http.delete(url, headers=self.client.header("management"))

    def kill_worker(self, number: int = 0) -> None:
        """SIGKILL for one worker of the default version that is READY, in turn; waits until there is one.

        Raises:
            ServerError: No worker is READY in time.
        """
        ready: list[int] = []

        def any_ready() -> bool:
            workers = self.client.workers(MODEL)
            ready[:] = [one.pid for one in workers if one.status == "READY" and one.pid not in self.killed]
            return bool(ready)

        self.wait_for(f"a worker of {MODEL} READY", any_ready)
        pid = ready[number % len(ready)]
        self.killed.add(pid)
        psutil.Process(pid).kill()

    def wait_for(self, what: str, condition: Callable[[], bool], seconds: float = SETTLE_SECONDS) -> None:
        """Poll until something is so.

        Raises:
            ServerError: It is not so in time.
        """
        deadline = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > deadline:
                raise ServerError(f"not within {seconds:.0f} s: {what}; see {self.server.run}/logs")
            time.sleep(0.1)

    def wait_for_workers(self, version: str = "") -> None:
        """Until every worker of a version is READY.

        Raises:
            ServerError: They are not in time.
        """
        name = f"{MODEL}/{version}" if version else MODEL

        def ready() -> bool:
            workers = self.client.workers(name)
            return bool(workers) and all(one.status == "READY" and one.pid not in self.killed for one in workers)

        self.wait_for(f"workers of {name} READY", ready)

    def logged(self, pattern: str) -> list[str]:
        """The lines of the server's logs that match, without their dates."""
        lines: list[str] = []
        for name in ("console.log", "server.log", "model.log"):
            log = self.server.run / "logs" / name
            lines += log.read_text(encoding="utf-8", errors="replace").splitlines() if log.exists() else []
        return [re.sub(r"^[\d:T,-]+ ", "", line).strip() for line in lines if re.search(pattern, line)]


@dataclass
class Watch:
    """What both clients see while a fault is played.

    Attributes:
        blows: When something was done to the server (``time.monotonic``).
    """

    plain: Traffic
    retrying: Traffic
    blows: list[float] = field(default_factory=list)

    def blow(self) -> None:
        """Note that now something is done to the server."""
        self.blows.append(time.monotonic())

    def settle(self) -> None:
        """Until both clients get good and quick answers again to what they ask from now on.

        Raises:
            ServerError: They do not in time.
        """
        now, deadline = time.monotonic(), time.monotonic() + SETTLE_SECONDS
        while not all(_good_lately(traffic.asked, now) for traffic in (self.plain, self.retrying)):
            if time.monotonic() > deadline:
                last = [traffic.asked[-1].failure for traffic in (self.plain, self.retrying) if traffic.asked]
                raise ServerError(f"clients get no good answers again within {SETTLE_SECONDS} s: {last}")
            time.sleep(0.1)

    def summaries(self) -> tuple[Summary, Summary]:
        """Of the plain and of the retrying client."""
        return summarise(self.plain.asked, self.blows), summarise(self.retrying.asked, self.blows)


@contextmanager
def watched(stage: Stage) -> Iterator[Watch]:
    """Both clients ask until the block ends."""
    with Traffic(stage.client, NEVER) as plain, Traffic(stage.client, RetryPolicy()) as retrying:
        watch = Watch(plain, retrying)
        watch.settle()
        yield watch


@contextmanager
def staged(folder: Path, fault: str = "", **settings: int) -> Iterator[Stage]:
    """A running server in a folder, ended and removed when the block ends."""
    stage = Stage.build(folder, fault, **settings)
    try:
        stage.start()
        yield stage
    finally:
        stage.server.stop(at_once=True)
        stage.client.http.close()


@contextmanager
def small_disk(at: Path, megabytes: int) -> Iterator[Path]:
    """A disk of its own at this folder; needs root."""
    at.mkdir(parents=True, exist_ok=True)
    _mount("-t", "tmpfs", "-o", f"size={megabytes}m", "vqaserve", str(at))
    try:
        yield at
    finally:
        _unmount(at)


@contextmanager
def read_only(folder: Path) -> Iterator[None]:
    """Nobody, root included, can write into this folder; needs root."""
    with ExitStack() as stack:
        _mount("--bind", str(folder), str(folder))
        stack.callback(_unmount, folder)
        _mount("-o", "remount,ro,bind", str(folder))
        yield


@contextmanager
def java_with(folder: Path, java: Path, variables: Mapping[str, str]) -> Iterator[None]:
    """Servers started in this block run a Java with these variables, which the server's own would not let through."""
    wrapper = folder / "java" / "bin" / "java"
    wrapper.parent.mkdir(parents=True)
    lines = [f"export {name}='{value}'" for name, value in variables.items()]
    wrapper.write_text("\n".join(["#!/bin/sh", *lines, f'exec {java} "$@"', ""]), encoding="utf-8")
    wrapper.chmod(0o755)
    before = os.environ.get("JAVA_HOME")
    os.environ["JAVA_HOME"] = str(wrapper.parent.parent)
    try:
        yield
    finally:
        if before is None:
            del os.environ["JAVA_HOME"]
        else:
            os.environ["JAVA_HOME"] = before


def can_mount() -> bool:
    """Whether this process may mount: root, outside of a container that forbids it."""
    if os.geteuid() != 0 or not shutil.which("mount") or not shutil.which("unshare"):
        return False
    tried = subprocess.run(["unshare", "--mount", "mount", "-t", "tmpfs", "none", "/mnt"], capture_output=True)
    return tried.returncode == 0


def _mount(*arguments: str) -> None:
    subprocess.run(["mount", *arguments], check=True)


def _unmount(folder: Path) -> None:
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def _good_lately(asked: list[Asked], since: float) -> bool:
    lately = [one for one in asked[-2 * GOOD_IN_A_ROW :] if one.began > since][-GOOD_IN_A_ROW:]
    good = [one for one in lately if not one.failure and not one.wrong and one.seconds < 1]
    return len(good) == GOOD_IN_A_ROW
