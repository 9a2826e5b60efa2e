"""The processes that try the candidates of an archive: as many at once as there will be workers."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

LATE = "out of time"


class TrialError(Exception):
    """A candidate cannot be tried; the message says why in one line."""


class Processes:
    """Processes that do the same thing at the same time; see ``trial.py``.

    Args:
        folder: An unpacked archive.
        count: Their number.
        threads: Threads of each.
        environment: Their environment, which should be that of workers.
        seconds: Time until they are ended.
    """

    def __init__(self, folder: Path, count: int, threads: int, environment: Mapping[str, str], seconds: float) -> None:
        self._log = (folder / "calibration.log").open("w+b")
        self._running = [
            subprocess.Popen(
                [sys.executable, "-m", "vqaops.calibrating.trial", str(threads)],
                cwd=folder,  # first on the import path, so that the archive's own code runs
                env=environment,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._log,
                text=True,
                encoding="utf-8",
            )
            for _ in range(count)
        ]
        self._is_late = False
        self._timer = threading.Timer(max(0, seconds), self._end_late)
        self._timer.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._timer.cancel()
        for process in self._running:
            process.kill()
            process.communicate()
        self._log.close()

    def all(self, do: str, **arguments: object) -> list[Any]:
        """Let all processes call a method of ``Candidate`` at once, and return their results.

        Raises:
            TrialError: One of them failed, has ended, or is late.
        """
        return self.each(do, [arguments] * len(self._running))

    def each(self, do: str, arguments: Sequence[Mapping[str, object]]) -> list[Any]:
        """As `all`, with arguments for each of the first processes.

        Raises:
            TrialError: As `all`.
        """
        try:
            for process, own in zip(self._running, arguments, strict=False):
                assert process.stdin is not None  # both are pipes
                process.stdin.write(json.dumps({"do": do, **own}) + "\n")
                process.stdin.flush()
        except OSError:
            raise self._ended() from None
        results = []
        for process, _ in zip(self._running, arguments, strict=False):
            assert process.stdout is not None
            line = process.stdout.readline()
            if not line:
                raise self._ended()
            reply = json.loads(line)
            if "failure" in reply:
                raise TrialError(reply["failure"])
            results.append(reply["done"])
        return results

    def _end_late(self) -> None:
        self._is_late = True
        for process in self._running:
            process.kill()

    def _ended(self) -> TrialError:
        if self._is_late:
            return TrialError(LATE)
        self._log.seek(0)
        lines = self._log.read().decode(errors="replace").strip().splitlines()
        return TrialError(lines[-1] if lines else "the process ended")
