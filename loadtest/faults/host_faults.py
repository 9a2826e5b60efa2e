"""Faults of the host: a small disk, a read-only folder, a process with another clock. The first two need root."""

from __future__ import annotations

import errno
import os
import shlex
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path


@contextmanager
def small_disk(at: Path, megabytes: int) -> Iterator[Path]:
    """Mount a small disk at a folder."""
    at.mkdir(parents=True, exist_ok=True)
    _mount("-t", "tmpfs", "-o", f"size={megabytes}m", "vqaserve", str(at))
    try:
        yield at
    finally:
        _unmount(at)


@contextmanager
def read_only(folder: Path) -> Iterator[None]:
    """Make a folder read-only, for root too."""
    with ExitStack() as stack:
        _mount("--bind", str(folder), str(folder))
        stack.callback(_unmount, folder)
        _mount("-o", "remount,ro,bind", str(folder))
        yield


def fill_disk(file: Path) -> None:
    """Write a file until its disk has no byte left."""
    with file.open("wb", buffering=0) as filler:
        for size in (2**20, 2**12, 1):
            try:
                while True:
                    filler.write(bytes(size))
            except OSError as error:
                if error.errno != errno.ENOSPC:
                    raise


@contextmanager
def java_with(folder: Path, java: Path, variables: Mapping[str, str]) -> Iterator[None]:
    """Let servers that start in this block run Java with these variables, which a server does not pass on."""
    wrapper = folder / "java" / "bin" / "java"
    wrapper.parent.mkdir(parents=True)
    lines = [f"export {name}={shlex.quote(value)}" for name, value in variables.items()]
    wrapper.write_text("\n".join(["#!/bin/sh", *lines, f'exec {shlex.quote(str(java))} "$@"', ""]), encoding="utf-8")
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
    """Return whether this process may mount: it is root, and no container forbids it."""
    if os.geteuid() != 0 or not shutil.which("mount") or not shutil.which("unshare"):
        return False
    tried = subprocess.run(["unshare", "--mount", "mount", "-t", "tmpfs", "none", "/mnt"], capture_output=True)
    return tried.returncode == 0


def _mount(*arguments: str) -> None:
    subprocess.run(["mount", *arguments], check=True)


def _unmount(folder: Path) -> None:
    subprocess.run(["umount", "--lazy", str(folder)], check=True)
