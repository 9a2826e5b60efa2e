"""Files that several processes write: replaced atomically, under a lock."""

from __future__ import annotations

import fcntl
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def replace_whole(path: Path, text: str) -> None:
    """Replace a UTF-8 file atomically: a reader, or a power cut, finds the old content or the new one.

    Every user who may enter the folder can read the file.
    """
    with tempfile.NamedTemporaryFile(
        "w", dir=path.parent, prefix=".building-", delete=False, encoding="utf-8", newline=""
    ) as written:
        written.write(text)
        written.flush()
        os.fsync(written.fileno())
    new = Path(written.name)
    new.chmod(0o644)
    new.replace(path)


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Let one process at a time run the block. The folder itself is locked, so that no lock file is left behind."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)
