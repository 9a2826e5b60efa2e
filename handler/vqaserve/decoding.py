"""Pictures are opened in a process of their own, which a hostile file may exhaust or crash in a worker's stead.

Limits from the header do not bound a decoder: half a megabyte of progressive JPEG with 20,000 scans costs 10 s in one
call of the library, which nothing in the same process can end. The kernel ends the child when a request's share of CPU
time is used up; it cannot take more memory than a whole picture needs; and another one is started after it.

Files and pixels lie in memory that both see (picture_memory.py); a byte in a pipe wakes the one who has to go on. What
the child does is decoding_process.py.
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
from typing import IO, TYPE_CHECKING, cast

from vqaserve.errors import InvalidImage, Overloaded
from vqaserve.images import check_bytes
from vqaserve.picture_memory import WAKE, DecodeTask, PictureMemory
from vqaserve.types import Opened, Squeeze

if TYPE_CHECKING:
    from vqaserve.settings import Limits

_ATTEMPTS = 3  # for one file, where its child is ended from outside
_PROCESS = "vqaserve.decoding_process"
_ENDED_BY_SOMEBODY = {-signal.SIGTERM, -signal.SIGINT, -signal.SIGHUP}


@dataclass
class Budget:
    """What is left of one request's limits; its pictures draw on it one after the other.

    Attributes:
        pixels: That may be decoded.
        seconds: Of CPU time.
        deadline: On the monotonic clock, for the whole batch: after it, no other picture is begun.
    """

    pixels: int
    seconds: float
    deadline: float = math.inf

    @classmethod
    def of(cls, limits: Limits, deadline: float) -> Budget:
        """A whole request's."""
        return cls(limits.max_request_pixels, limits.max_decode_seconds, deadline)


class Decoder:
    """Opens pictures, one at a time, in a child process that ends with this object or with the worker."""

    def __init__(self, limits: Limits, squeeze: Squeeze | None = None) -> None:
        """The child starts at once.

        Args:
            limits: What a client may send.
            squeeze: As of ``images.open_picture``.
        """
        self._limits = limits
        self._squeeze = squeeze
        self._memory = PictureMemory(limits, squeeze)
        self._start()

    def decode(self, data: bytes, budget: Budget) -> Opened:
        """Decode a picture file within its request's budget, and take its cost from that.

        Raises:
            InvalidImage: As ``images.open_picture``; or it takes too long or too much memory, or crashes the child.
            Overloaded: The batch's time is up.
            MemoryError: The machine has none left.
            OSError, RuntimeError: The child does not start, or is ended again and again; the next picture tries anew.
        """
        check_bytes(data, self._limits)  # there is no room for more
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
                self._end()  # its answer may still come, and would be taken for the next picture's
                raise
        raise RuntimeError(f"the process that decodes pictures was ended {_ATTEMPTS} times by something else")

    def _ask(self, data: bytes, budget: Budget) -> Opened:
        """Show the child a file, and see what it makes of it.

        Raises:
            InvalidImage: What the child says.
            BrokenPipeError, EOFError: It has died.
        """
        self._memory.put_task(DecodeTask(data, budget.pixels, budget.seconds))
        self._questions.write(WAKE)
        _wait(self._answers)
        result = self._memory.take_result()
        self._memory.clear()
        budget.seconds -= result.seconds
        if isinstance(result.opened, str):
            raise InvalidImage(result.opened)
        budget.pixels -= result.opened.area
        return result.opened

    def _start(self) -> None:
        limits, memory = self._limits, self._memory.file
        given = [memory, limits.max_image_bytes, limits.max_image_pixels, limits.max_request_pixels]
        if self._squeeze:
            given += [self._squeeze.width, self._squeeze.height, self._squeeze.resample]
        self._child = subprocess.Popen(
            [sys.executable, "-m", _PROCESS, *(f"{number:d}" for number in given)],
            bufsize=0,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            pass_fds=(memory,),
            cwd=Path(__file__).parent.parent,  # where -m finds the package: an archive's root, or handler/
        )
        self._questions = cast(IO[bytes], self._child.stdin)
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
        """Whose fault it is that the child has died; another one is started for what comes next.

        Nothing is raised where it is not the file's: the child had not taken it yet, or was ended by somebody.

        Raises:
            InvalidImage: The file's.
            MemoryError: It was killed in the middle, which the kernel does when the machine has no memory left.
        """
        status = self._child.wait()
        self._end()
        if not self._memory.taken or status in _ENDED_BY_SOMEBODY:
            return
        if status == -signal.SIGKILL:
            raise MemoryError("the process that decodes pictures was killed")
        if status == -signal.SIGPROF:
            budget.seconds = 0
            raise InvalidImage(self._too_slow(data))
        raise InvalidImage(
            f"the picture ({len(data):,} bytes) is damaged in a way that no decoder stands; save it anew"
        )

    def _too_slow(self, data: bytes) -> str:
        return (
            f"the picture ({len(data):,} bytes) takes too long to decode; the pictures of one request have "
            f"{self._limits.max_decode_seconds:g} s of CPU time together: save it anew, or send fewer at once"
        )


def _wait(answers: IO[bytes]) -> None:
    """Until the child has woken us.

    Raises:
        EOFError: It has died.
    """
    if not answers.read(len(WAKE)):
        raise EOFError


def _end(child: subprocess.Popen[bytes]) -> None:
    child.kill()
    child.wait()
    for stream in (child.stdin, child.stdout):
        with contextlib.suppress(BrokenPipeError):  # what could not be sent any more
            cast(IO[bytes], stream).close()
