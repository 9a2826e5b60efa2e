"""What one worker has computed and another would compute again: files in a folder that all workers of a version share.

TorchServe gives a request to whichever worker is free, so two workers with caches of their own encode the picture of a
conversation twice. The folder is the unpacked archive's, so it is of this version alone and goes when the version goes.
"""

from __future__ import annotations

import logging
import os
import tempfile
from contextlib import suppress
from pathlib import Path

log = logging.getLogger(__name__)


class SharedFolder:
    """Bytes by name, bounded; what was not asked for the longest goes first. A disk that fails only costs hits."""

    def __init__(self, folder: Path, limit: int) -> None:
        """Starts with what the other workers have put there.

        Args:
            folder: On one machine; it is made where it is missing.
            limit: Bytes of all values together. Workers look at the whole only now and then, so for a moment it may
                be over by an eighth for each of them.
        """
        self._folder = folder
        self._limit = limit
        self._unchecked = limit  # bytes put since the last look at the whole
        folder.mkdir(mode=0o700, exist_ok=True)

    def get(self, name: str) -> bytes | None:
        """The value, which is now the last to go, or None."""
        path = self._folder / name
        try:
            data = path.read_bytes()
            os.utime(path)
        except OSError:  # not there, or just removed by another worker
            return None
        return data

    def put(self, name: str, data: bytes) -> None:
        """Keep a value, whole or not at all, and forget others if there is no room."""
        if len(data) > self._limit:
            return
        try:
            self._write(name, data)
            self._unchecked += len(data)
            if self._unchecked > self._limit // 8:
                self._unchecked = 0
                self._forget()
        except OSError as error:  # a full disk, say
            log.warning("features are not shared with the other workers: %s", error)

    def _write(self, name: str, data: bytes) -> None:
        handle, written = tempfile.mkstemp(dir=self._folder, prefix=".")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(data)
            Path(written).replace(self._folder / name)
        except OSError:
            Path(written).unlink(missing_ok=True)
            raise

    def _forget(self) -> None:
        kept, total = [], 0
        for entry in os.scandir(self._folder):
            with suppress(FileNotFoundError):  # removed by another worker meanwhile
                state = entry.stat()
                kept.append((state.st_mtime_ns, state.st_size, entry.path))
                total += state.st_size
        for _, size, path in sorted(kept):
            if total <= self._limit:
                return
            Path(path).unlink(missing_ok=True)
            total -= size
