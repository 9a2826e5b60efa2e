"""Pictures are opened in a process of their own, which a hostile file may exhaust or crash in a worker's stead.

Limits from the header do not bound a decoder: half a megabyte of progressive JPEG with 20,000 scans costs 10 s in one
call of the library, which nothing in the same process can end. The kernel ends the child when a request's share of CPU
time is used up; it cannot take more memory than a whole picture needs; and another one is started after it.

Down the pipe go ``_ASKED`` and the file; back come ``_TAKEN`` once it is read, so that a child's death is known to be
the file's fault or not, then ``_TOLD``, warnings or a refusal in UTF-8, and the RGB pixels.
"""

from __future__ import annotations

import contextlib
import math
import os
import resource
import signal
import struct
import subprocess
import sys
import time
import weakref
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import IO, TYPE_CHECKING, cast

from PIL import Image

from vqaserve.errors import InvalidImage, Overloaded
from vqaserve.images import digest_of, open_picture
from vqaserve.memory import give_back
from vqaserve.types import Picture

if TYPE_CHECKING:
    from vqaserve.settings import Limits

_ASKED = struct.Struct("<Qqd")  # bytes of the file, pixels left, seconds left
_TOLD = struct.Struct("<?IIQd")  # refused, width, height, bytes of text, seconds used
_READY = b"!"
_TAKEN = b"."

_ATTEMPTS = 3  # for one file, where its child is ended from outside
_ENDED_BY_SOMEBODY = {-signal.SIGTERM, -signal.SIGINT, -signal.SIGHUP}

_SHORTEST = 0.001  # seconds

# Bytes of a file and its pixels from which their memory is not kept for the next one: workers are told to keep it, and
# their children inherit that.
_LARGE = 4_000_000

# Python, Pillow, a file and its metadata; and of each pixel the copies that turning it and laying it on white take.
_BASE_BYTES = 512 * 2**20
_BYTES_PER_PIXEL = 32


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

    def __init__(self, limits: Limits) -> None:
        """The child starts at once, beside the loading of a model."""
        self._limits = limits
        self._greeting = _READY
        self._taken = False  # whether the child has read the last file whole
        self._start()

    def __call__(self, data: bytes, budget: Budget) -> Picture:
        """Decode a picture file within its request's budget, and take its cost from that.

        Raises:
            InvalidImage: As ``images.open_picture``; or it takes too long or too much memory, or crashes the child.
            Overloaded: The batch's time is up.
            MemoryError: The machine has none left.
            OSError, RuntimeError: The child does not start, or is ended again and again; the next picture tries anew.
        """
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
                self._end()  # half an answer is still in the pipe, and would be taken for the next picture's
                raise
        raise RuntimeError(f"the process that decodes pictures was ended {_ATTEMPTS} times by something else")

    def _ask(self, data: bytes, budget: Budget) -> Picture:
        """Send a file, and read what the child makes of it.

        Raises:
            InvalidImage: What the child says.
            BrokenPipeError, EOFError: It has died.
        """
        self._taken = False
        self._questions.write(_ASKED.pack(len(data), budget.pixels, budget.seconds) + data)
        self._questions.flush()
        self._taken = _read(self._answers, len(_TAKEN)) == _TAKEN
        refused, width, height, size, seconds = _TOLD.unpack(_read(self._answers, _TOLD.size))
        text = _read(self._answers, size).decode()
        pixels = _read(self._answers, width * height * 3)
        budget.seconds -= seconds
        if refused:
            raise InvalidImage(text)
        budget.pixels -= width * height
        image = Image.frombytes("RGB", (width, height), pixels)
        return Picture(digest_of(data), image, warnings=tuple(text.splitlines()))

    def _start(self) -> None:
        limits = self._limits
        given = (limits.max_image_bytes, limits.max_image_pixels, limits.max_request_pixels)
        self._child = subprocess.Popen(
            [sys.executable, "-m", __name__, *map(str, given)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=Path(__file__).parent.parent,  # where -m finds the package: an archive's root, or handler/
        )
        self._questions = cast(IO[bytes], self._child.stdin)
        self._answers = cast(IO[bytes], self._child.stdout)
        self._greeting = _READY
        self._end = weakref.finalize(self, _end, self._child)

    def _await_start(self) -> None:
        if not self._end.alive:
            self._start()
        try:
            _read(self._answers, len(self._greeting))
        except EOFError:
            self._end()
            raise RuntimeError(
                f"the process that decodes pictures did not start: status {self._child.wait()}"
            ) from None
        self._greeting = b""

    def _check_fault(self, data: bytes, budget: Budget) -> None:
        """Whose fault it is that the child has died; another one is started for what comes next.

        Nothing is raised where it is not the file's: the child had not read it yet, or was ended by somebody.

        Raises:
            InvalidImage: The file's.
            MemoryError: It was killed in the middle, which the kernel does when the machine has no memory left.
        """
        status = self._child.wait()
        self._end()
        if not self._taken or status in _ENDED_BY_SOMEBODY:
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


def _read(stream: IO[bytes], size: int) -> bytes:
    """That many bytes.

    Raises:
        EOFError: The child has died.
    """
    data = stream.read(size) if size else b""
    if len(data) < size:
        raise EOFError
    return data


def _end(child: subprocess.Popen[bytes]) -> None:
    child.kill()
    child.wait()
    for stream in (child.stdin, child.stdout):
        with contextlib.suppress(BrokenPipeError):  # what could not be sent any more
            cast(IO[bytes], stream).close()


def _serve(questions: IO[bytes], answers: IO[bytes], limits: Limits) -> None:
    """The child's life: one file after the other, until the pipe is closed."""
    answers.write(_READY)
    answers.flush()
    while asked := questions.read(_ASKED.size):
        size, pixels_left, seconds_left = _ASKED.unpack(asked)
        data = questions.read(size)
        answers.write(_TAKEN)
        answers.flush()
        began = time.process_time()
        # Nobody handles its signal: the kernel ends the process. Under a microsecond would mean never.
        signal.setitimer(signal.ITIMER_PROF, max(seconds_left, _SHORTEST))
        told = _opened(data, limits, pixels_left)
        signal.setitimer(signal.ITIMER_PROF, 0)
        refused, width, height, text, pixels = told
        answers.write(_TOLD.pack(refused, width, height, len(text), time.process_time() - began) + text)
        answers.write(pixels)
        answers.flush()
        if len(data) + len(pixels) > _LARGE:
            del data, told, pixels
            give_back()


def _opened(data: bytes, limits: Limits, pixels_left: int) -> tuple[bool, int, int, bytes, bytes]:
    try:
        picture = open_picture(data, limits, pixels_left)
        assert picture.pixels is not None
        text = "\n".join(picture.warnings).encode()
        return False, *picture.pixels.size, text, picture.pixels.tobytes()
    except InvalidImage as error:
        return True, 0, 0, str(error).encode(), b""
    except MemoryError:
        refusal = f"the picture ({len(data):,} bytes) takes too much memory to decode; save it anew, without metadata"
        return True, 0, 0, refusal.encode(), b""


def _main() -> None:
    max_bytes, max_pixels, max_request_pixels = map(int, sys.argv[1:])
    limits = SimpleNamespace(
        max_image_bytes=max_bytes, max_image_pixels=max_pixels, max_request_pixels=max_request_pixels
    )
    memory = _BASE_BYTES + _BYTES_PER_PIXEL * max_pixels
    with contextlib.suppress(ValueError):  # macOS has the name, and not the limit
        resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    questions, answers = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (1, 2):  # libtiff's remarks, which quote strangers' files
        os.dup2(nowhere, stream)
    _serve(questions, answers, cast("Limits", limits))


if __name__ == "__main__":
    _main()
