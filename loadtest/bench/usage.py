"""What a server's processes use: CPU time, which holds on noisy machines, and memory."""

from __future__ import annotations

from dataclasses import dataclass

import psutil


@dataclass(frozen=True, slots=True)
class Cpu:
    """User and system seconds since each process began.

    Attributes:
        java: Of TorchServe's front end.
        workers: Of the Python processes that it started.
    """

    java: float
    workers: float

    @property
    def whole(self) -> float:
        return self.java + self.workers

    def __sub__(self, earlier: Cpu) -> Cpu:
        return Cpu(self.java - earlier.java, self.workers - earlier.workers)


def cpu_of(process: psutil.Process) -> Cpu:
    """So far, of a server's Java process and everything below it."""
    return Cpu(_seconds(process), sum(map(_seconds, process.children(recursive=True))))


def _seconds(process: psutil.Process) -> float:
    times = process.cpu_times()
    return times.user + times.system


@dataclass(frozen=True, slots=True)
class Memory:
    """Of one worker, in MB.

    Attributes:
        resident: As ``top`` shows it; pages that workers share count in each.
        own: What would be free if this worker alone ended.
    """

    resident: float
    own: float


def memory_of(pid: int) -> Memory:
    """Of one worker, the processes that it started included."""
    process = psutil.Process(pid)
    held = [one.memory_full_info() for one in (process, *process.children(recursive=True))]
    return Memory(sum(one.rss for one in held) / 1e6, sum(one.uss for one in held) / 1e6)
