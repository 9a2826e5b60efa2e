"""A file that says which process a program is, so that another command can stop exactly that one."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import psutil


@dataclass(frozen=True, slots=True)
class ProcessRecord:
    """The record of one process; its time of creation tells it from a later process with the same pid.

    Attributes:
        file: A JSON file with ``pid`` and ``created``.
    """

    file: Path

    def write(self, process: psutil.Process) -> None:
        """Write down a process."""
        recorded = {"pid": process.pid, "created": process.create_time()}
        self.file.write_text(json.dumps(recorded), encoding="utf-8")

    def exists(self) -> bool:
        """Whether a process was recorded and the record not removed since."""
        return bool(self._read())

    def process(self) -> psutil.Process | None:
        """The running process that was recorded; None if it has ended, even if another one has its pid."""
        recorded = self._read()
        try:
            process = psutil.Process(int(recorded["pid"]))
            same = abs(process.create_time() - recorded["created"]) < 0.01
            return process if same and process.status() != psutil.STATUS_ZOMBIE else None
        except (KeyError, ValueError, OverflowError, psutil.Error):  # the record holds any number
            return None

    def stop(self, seconds: float) -> bool:
        """End the process with SIGTERM, after some seconds with SIGKILL, and remove the record.

        Returns:
            Whether it was running.
        """
        process = self.process()
        if process is not None:
            process.terminate()
            _, alive = psutil.wait_procs([process], timeout=seconds)
            for left in alive:
                left.kill()
        self.file.unlink(missing_ok=True)
        return process is not None

    def _read(self) -> dict[str, float]:
        try:
            recorded = json.loads(self.file.read_text(encoding="utf-8"))
            return {name: float(recorded[name]) for name in ("pid", "created")}
        except (FileNotFoundError, ValueError, KeyError, TypeError, OverflowError, RecursionError):
            return {}
