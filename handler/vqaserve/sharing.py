"""A cache in a folder that all workers of a version share.

TorchServe gives each request to any free worker, so two workers with separate caches both encode the picture of a
conversation. The folder is inside the unpacked archive: it belongs to one version and is deleted with it.
"""

from __future__ import annotations

import logging
import os
import tempfile
from contextlib import suppress
from pathlib import Path

log = logging.getLogger(__name__)


class SharedFolder:
    """Values by name, bounded; the least recently used is dropped first. A failing disk only causes misses."""

    def __init__(self, folder: Path, limit: int) -> None:
        """Start with the values that other workers have put there.

        Args:
            folder: A local folder; it is created if it is missing.
            limit: Bytes of all values together. Workers check the total only now and then, so each worker may exceed
                it by an eighth for a moment.
        """
        self._folder = folder
        self._limit = limit
        self._unchecked = limit  # bytes put since the last check of the total
        folder.mkdir(mode=0o700, exist_ok=True)

    def get(self, name: str) -> bytes | None:
        """Return the value and mark it as recently used, or return None."""
        path = self._folder / name
        try:
            data = path.read_bytes()
            os.utime(path)
        except OSError:  # missing, or just removed by another worker
            return None
        return data

    def put(self, name: str, data: bytes) -> None:
        """Keep a value, whole or not at all, and drop others if there is no room."""
        if len(data) > self._limit:
            return
        try:
            self._write(name, data)
            self._unchecked += len(data)
            if self._unchecked > self._limit // 8:
                self._unchecked = 0
                self._drop_oldest()
        except OSError as error:  # for example a full disk
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

    def _drop_oldest(self) -> None:
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
