"""Processes that do the same thing at the same time, as the workers of a server do."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from vqaops.errors import ServerError

LATE = "out of time"


class TrialError(ServerError):
    """A process failed, has ended or is late; the message says why in one line."""


class Processes:
    """Processes of a module that ends in `obey`.

    Args:
        command: The module, and its arguments.
        folder: An unpacked archive; it comes first on the import path, so that its own code runs.
        count: Their number.
        environment: Their environment, which should be that of workers.
        seconds: Time until they are ended; by default they live as long as the block.
    """

    def __init__(
        self,
        command: Sequence[str],
        folder: Path,
        count: int,
        environment: Mapping[str, str],
        seconds: float = threading.TIMEOUT_MAX,
    ) -> None:
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the block
        self._running = [
            subprocess.Popen(
                [sys.executable, "-m", *command],
                cwd=folder,
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
        self._timer.daemon = True
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
        """Let all processes call a method of what they obey for at once, and return their results.

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


def obey(make: Callable[[], object]) -> None:
    """Call the methods that the lines on standard input name, until it ends; the end of a process's ``main``.

    Each line is a JSON object with ``do``, the method, and its arguments. Each reply is a line of JSON.

    Args:
        make: Makes the object whose methods are called.
    """
    with os.fdopen(os.dup(1), "w", encoding="utf-8") as replies:
        os.dup2(2, 1)  # libraries may print; only replies belong on the pipe
        made = make()
        for line in sys.stdin:
            replies.write(json.dumps(_reply(made, json.loads(line))) + "\n")
            replies.flush()


def _reply(made: object, order: dict[str, Any]) -> dict[str, Any]:
    method = getattr(made, order.pop("do"))
    try:
        return {"done": method(**order)}
    except Exception as error:  # noqa: BLE001 - whatever a library raises ends this order, not the process
        return {"failure": " ".join(str(error).split()) or type(error).__name__}
