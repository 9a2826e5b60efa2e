"""Files that commands write: outputs that are none of the inputs, and files that several processes write."""

from __future__ import annotations

import fcntl
import os
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from vqaserve.errors import RecipeError


def prepare_output(path: Path, inputs: Iterable[Path] = ()) -> None:
    """Make the folder of a file that a command will write, and refuse a file that it could or should not write.

    A command calls this before its work, so that the work is not lost.

    Args:
        path: The file.
        inputs: Files that the command reads. Another spelling of a path, and a link, lead to the same file.

    Raises:
        RecipeError: The path is one of the inputs, is a folder, or may not be written.
        OSError: The folder cannot be made.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.is_dir():
        raise RecipeError(f"{path} is a folder; give the name of a file to write")
    if not path.exists():
        if not os.access(path.parent, os.W_OK):
            raise RecipeError(f"{path} cannot be written: no permission for {path.parent}")
        return
    if not os.access(path, os.W_OK):
        raise RecipeError(f"{path} cannot be written: no permission")
    for read in inputs:
        with suppress(FileNotFoundError):
            if path.samefile(read):
                raise RecipeError(f"{path} is {read}, which this command reads; give another file to write")


def replace_whole(path: Path, text: str, mode: int = 0o644) -> None:
    """Replace a UTF-8 file atomically: a reader, or a power cut, finds the old content or the new one.

    Args:
        path: The file.
        text: Its new content.
        mode: Its permissions; by default every user who may enter the folder can read it.
    """
    with tempfile.NamedTemporaryFile(
        "w", dir=path.parent, prefix=".building-", delete=False, encoding="utf-8", newline=""
    ) as written:
        written.write(text)
        written.flush()
        os.fsync(written.fileno())
    new = Path(written.name)
    new.chmod(mode)
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
