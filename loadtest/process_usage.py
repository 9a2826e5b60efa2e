"""CPU time and memory of a server's processes."""

from __future__ import annotations

from dataclasses import dataclass

import psutil


@dataclass(frozen=True, slots=True)
class CpuSeconds:
    """User and system seconds since each process began.

    Attributes:
        parent: Of the first process: TorchServe's front end (Java), or a gateway.
        children: Of all its descendants: TorchServe's workers and the processes that they started.
    """

    parent: float
    children: float

    @property
    def total(self) -> float:
        """Seconds of all processes together."""
        return self.parent + self.children

    def __sub__(self, earlier: CpuSeconds) -> CpuSeconds:
        return CpuSeconds(self.parent - earlier.parent, self.children - earlier.children)


def cpu_seconds(process: psutil.Process) -> CpuSeconds:
    """Return the CPU time of a process and its descendants so far."""
    return CpuSeconds(_seconds(process), sum(map(_seconds, process.children(recursive=True))))


def _seconds(process: psutil.Process) -> float:
    times = process.cpu_times()
    return times.user + times.system


@dataclass(frozen=True, slots=True)
class MemoryMegabytes:
    """Memory of a process and its descendants, in MB.

    Attributes:
        resident: As ``top`` shows it. A page that processes share counts once in each.
        own: What would become free if these processes ended.
    """

    resident: float
    own: float


def memory_of(pid: int) -> MemoryMegabytes:
    """Return the memory of a process and its descendants."""
    process = psutil.Process(pid)
    held = [one.memory_full_info() for one in (process, *process.children(recursive=True))]
    return MemoryMegabytes(sum(one.rss for one in held) / 1e6, sum(one.uss for one in held) / 1e6)
