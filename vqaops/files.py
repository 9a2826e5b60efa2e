"""Files that several processes write: replaced as a whole, under a lock."""

from __future__ import annotations

import fcntl
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def replace_whole(path: Path, text: str) -> None:
    """Put a file into place whole: a reader, or a power cut, finds the old or the new one.

    The file can be read by everybody who may enter its folder.
    """
    with tempfile.NamedTemporaryFile("w", dir=path.parent, prefix=".building-", delete=False) as written:
        written.write(text)
        written.flush()
        os.fsync(written.fileno())
    new = Path(written.name)
    new.chmod(0o644)
    new.replace(path)


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """One at a time, between processes. The folder itself is the lock, so that none is left lying in it."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)
