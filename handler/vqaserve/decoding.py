"""Decoding in a child process: a hostile file exhausts or crashes the child, not the worker.

A limit on the size in the header does not bound the cost: half a megabyte of progressive JPEG with 20,000 scans keeps
the library busy for 10 s, and nothing in the same process can interrupt the call. The kernel ends the child when the
request has used its CPU time, and refuses it memory beyond what the largest allowed picture needs. The next picture
starts a new child.

Files and pixels are in memory that both processes share (picture_memory.py); a byte in a pipe wakes the other process.
decoding_process.py is the child's program.
"""

from __future__ import annotations

import contextlib
import math
import signal
import subprocess
import sys
import time
import weakref
from dataclasses import dataclass
from pathlib import Path
from typing import IO, cast

from vqaserve import decoding_process
from vqaserve.decoding_process import arguments
from vqaserve.errors import InvalidImage, Overloaded
from vqaserve.images import check_bytes
from vqaserve.picture_memory import WAKE, DecodeTask, PictureMemory
from vqaserve.pictures import Opened, PictureLimits, Squeeze

_ATTEMPTS = 3  # for one file, if something else ends the child
_ENDED_FROM_OUTSIDE = {-signal.SIGTERM, -signal.SIGINT, -signal.SIGHUP}


@dataclass
class Budget:
    """What is left of one request's limits; each of its pictures uses some of it.

    Attributes:
        pixels: Pixels that may still be decoded.
        seconds: CPU seconds that may still be used.
        deadline: Time on the monotonic clock after which no picture of the batch is started.
    """

    pixels: int
    seconds: float
    deadline: float = math.inf

    @classmethod
    def of(cls, limits: PictureLimits, deadline: float) -> Budget:
        """Return the budget of a request that has used none of it."""
        return cls(limits.max_request_pixels, limits.max_decode_seconds, deadline)


class Decoder:
    """Decodes pictures, one at a time, in a child process that ends with this object or with the worker."""

    def __init__(self, limits: PictureLimits, squeeze: Squeeze | None = None) -> None:
        """Start the child without waiting for it.

        Args:
            limits: The limits of pictures.
            squeeze: As in ``images.open_picture``.
        """
        self._limits = limits
        self._squeeze = squeeze
        self._memory = PictureMemory(limits, squeeze)
        self._start()

    def decode(self, data: bytes, budget: Budget) -> Opened:
        """Decode a picture file, and subtract its cost from its request's budget.

        Raises:
            InvalidImage: As ``images.open_picture``; or the file takes too much time or memory, or crashes the child.
            Overloaded: The deadline of the batch has passed.
            MemoryError: The machine has no memory left.
            OSError, RuntimeError: The child does not start, or is ended each time; the next picture tries again.
        """
        check_bytes(data, self._limits)  # the shared memory has no room for more
        if budget.seconds <= 0:
            raise InvalidImage(self._too_slow(data))
        if time.monotonic() >= budget.deadline:
            raise Overloaded("the server is too busy to open this picture now; ask again later")
        for _ in range(_ATTEMPTS):
            self._await_start()
            try:
                return self._ask(data, budget)
            except (BrokenPipeError, EOFError):
                self._check_fault(data, budget)
            except InvalidImage:
                raise
            except BaseException:
                self._end()  # a late answer would be taken for that to the next picture
                raise
        raise RuntimeError(f"the process that decodes pictures was ended {_ATTEMPTS} times from outside")

    def _ask(self, data: bytes, budget: Budget) -> Opened:
        """Have the child decode a file.

        Raises:
            InvalidImage: The child refuses the file.
            BrokenPipeError, EOFError: The child has died.
        """
        self._memory.put_task(DecodeTask(data, budget.pixels, budget.seconds))
        self._wakes.write(WAKE)
        _wait(self._answers)
        result = self._memory.take_result()
        self._memory.clear()
        budget.seconds -= result.seconds
        if isinstance(result.opened, str):
            raise InvalidImage(result.opened)
        budget.pixels -= result.opened.area
        return result.opened

    def _start(self) -> None:
        memory = self._memory.file
        self._child = subprocess.Popen(
            [sys.executable, "-m", decoding_process.__name__, *arguments(memory, self._limits, self._squeeze)],
            bufsize=0,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            pass_fds=(memory,),
            cwd=Path(__file__).parent.parent,  # where -m finds the package: the archive's root, or handler/
        )
        self._wakes = cast(IO[bytes], self._child.stdin)
        self._answers = cast(IO[bytes], self._child.stdout)
        self._started = False
        self._end = weakref.finalize(self, _end, self._child)

    def _await_start(self) -> None:
        if not self._end.alive:
            self._start()
        if self._started:
            return
        try:
            _wait(self._answers)
        except EOFError:
            self._end()
            raise RuntimeError(
                f"the process that decodes pictures did not start: status {self._child.wait()}"
            ) from None
        self._started = True

    def _check_fault(self, data: bytes, budget: Budget) -> None:
        """Find out whether the file is why the child has died; the next picture starts a new child.

        Returns normally if the file is not the reason: the child had not taken it yet, or was ended from outside.

        Raises:
            InvalidImage: The file is the reason.
            MemoryError: The child was killed while it decoded, as the kernel does when the machine has no memory left.
        """
        status = self._child.wait()
        self._end()
        if not self._memory.taken or status in _ENDED_FROM_OUTSIDE:
            return
        if status == -signal.SIGKILL:
            raise MemoryError("the process that decodes pictures was killed")
        if status == -signal.SIGPROF:
            budget.seconds = 0
            raise InvalidImage(self._too_slow(data))
        raise InvalidImage(
            f"the picture ({len(data):,} bytes) is damaged in a way that crashes its decoder; save it anew"
        )

    def _too_slow(self, data: bytes) -> str:
        return (
            f"the picture ({len(data):,} bytes) takes too long to decode; the pictures of one request have "
            f"{self._limits.max_decode_seconds:g} s of CPU time together: save it anew, or send fewer at once"
        )


def _wait(answers: IO[bytes]) -> None:
    """Wait until the child has written its byte.

    Raises:
        EOFError: The child has died.
    """
    if not answers.read(len(WAKE)):
        raise EOFError


def _end(child: subprocess.Popen[bytes]) -> None:
    child.kill()
    child.wait()
    for stream in (child.stdin, child.stdout):
        with contextlib.suppress(BrokenPipeError):  # raised for what was not sent yet
            cast(IO[bytes], stream).close()
