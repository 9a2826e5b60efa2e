"""A limit of CPU time for a server, which then stands in for a machine of its own."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from vqaops.errors import ServerError

PERIOD_US = 10_000
"""Each period has its share of CPU time. In the kernel's default of 100 ms a server would wait for most of it."""
_MOUNTS = Path("/proc/mounts")


@dataclass(frozen=True, slots=True)
class CpuGroup:
    """A control group with a limit.

    Attributes:
        folder: The group's folder in a control group file system.
    """

    folder: Path

    def add(self, process: psutil.Process) -> None:
        """Move a process and its descendants into the group; what they start later is in it too."""
        for one in (process, *process.children(recursive=True)):
            with suppress(ProcessLookupError, psutil.NoSuchProcess):  # it has ended
                (self.folder / "cgroup.procs").write_text(str(one.pid))


@contextmanager
def cpu_limit(cores: float, name: str, mounts: Path = _MOUNTS) -> Iterator[CpuGroup]:
    """Make a group whose processes together use so many cores at most; it ends with the block, after its processes.

    Args:
        cores: CPU seconds in a second.
        name: Makes the group's name unique in this process.
        mounts: The list of mounted file systems.

    Raises:
        ServerError: This user cannot limit CPU time here.
    """
    root, unified = _root(mounts)
    folder = root / f"vqa-{os.getpid()}-{name}"
    quota = round(cores * PERIOD_US)
    try:
        if unified:
            (root / "cgroup.subtree_control").write_text("+cpu")
        folder.mkdir()
        for file, text in _limits(quota, unified):
            (folder / file).write_text(text)
    except OSError as error:
        raise ServerError(
            f"CPU time cannot be limited in {root} ({error.strerror}); run as root, or without a limit"
        ) from None
    try:
        yield CpuGroup(folder)
    finally:
        _remove(folder)


def _limits(quota: int, unified: bool) -> Sequence[tuple[str, str]]:
    if unified:
        return [("cpu.max", f"{quota} {PERIOD_US}")]
    return [("cpu.cfs_period_us", str(PERIOD_US)), ("cpu.cfs_quota_us", str(quota))]


def _root(mounts: Path) -> tuple[Path, bool]:
    """The file system with the CPU controller, and whether it is that of control groups v2."""
    for line in mounts.read_text(encoding="utf-8").splitlines():
        _, where, kind, options, *_ = line.split()
        root = Path(where)
        if kind == "cgroup" and "cpu" in options.split(","):
            return root, False
        if kind == "cgroup2" and "cpu" in (root / "cgroup.controllers").read_text(encoding="utf-8").split():
            return root, True
    raise ServerError("this system has no control groups for CPU time; run without a limit")


def _remove(folder: Path, seconds: float = 10.0) -> None:
    """Remove a group; the kernel refuses while a process of it ends."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            folder.rmdir()
            return
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)
