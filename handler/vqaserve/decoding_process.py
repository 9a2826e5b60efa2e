"""The process that decodes pictures, as a worker starts it (decoding.py): one file after the other, within limits.

It imports as little as it can: each worker has one, and it is to be ready before the worker's model is.
"""

from __future__ import annotations

import os
import resource
import signal
import sys
import time
from contextlib import suppress
from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

from PIL.Image import Resampling

from vqaserve.errors import InvalidImage
from vqaserve.images import open_picture
from vqaserve.memory import trim
from vqaserve.picture_memory import WAKE, DecodeResult, DecodeTask, PictureMemory
from vqaserve.types import Opened, Squeeze

if TYPE_CHECKING:  # starts without pydantic
    from vqaserve.settings import Limits

_SHORTEST = 0.001  # seconds

# Python, Pillow, a file and its metadata; and of each pixel the copies that turning it and laying it on white take.
_BASE_BYTES = 512 * 2**20
_BYTES_PER_PIXEL = 32


def _serve(questions: int, answers: int, memory: PictureMemory, limits: Limits, squeeze: Squeeze | None) -> None:
    """One file after the other, until the pipe is closed."""
    os.write(answers, WAKE)
    while os.read(questions, len(WAKE)):
        began = time.process_time()
        task = memory.take_task()
        # Nobody handles its signal: the kernel ends the process. Under a microsecond would mean never.
        signal.setitimer(signal.ITIMER_PROF, max(task.seconds_left, _SHORTEST))
        opened = _answer(task, began, memory, limits, squeeze)
        signal.setitimer(signal.ITIMER_PROF, 0)
        # The server tells workers, and so their children, to keep all memory; what a refused file took, nobody knows.
        if memory.large or not opened:
            del task
            trim()
        os.write(answers, WAKE)


def _answer(task: DecodeTask, began: float, memory: PictureMemory, limits: Limits, squeeze: Squeeze | None) -> bool:
    """Tell what became of a file, and return whether it could be opened."""
    opened: Opened | str
    try:
        opened = open_picture(task.data, limits, task.pixels_left, squeeze)
        memory.put_result(DecodeResult(opened, time.process_time() - began))
        return True
    except InvalidImage as error:
        opened = str(error)
    except MemoryError:
        opened = (
            f"the picture ({len(task.data):,} bytes) takes too much memory to decode; save it anew, without metadata"
        )
    memory.put_result(DecodeResult(opened, time.process_time() - began))
    return False


def _main() -> None:
    file, max_bytes, max_pixels, max_request_pixels, *size = map(int, sys.argv[1:])
    limits = cast(
        "Limits",
        SimpleNamespace(max_image_bytes=max_bytes, max_image_pixels=max_pixels, max_request_pixels=max_request_pixels),
    )
    squeeze = Squeeze(size[0], size[1], Resampling(size[2])) if size else None
    memory = PictureMemory(limits, squeeze, file)
    room = _BASE_BYTES + _BYTES_PER_PIXEL * memory.most_pixels
    with suppress(ValueError):  # macOS has the name, and not the limit
        resource.setrlimit(resource.RLIMIT_AS, (room, room))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    questions, answers = 0, os.dup(1)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (1, 2):  # libtiff's remarks, which quote strangers' files
        os.dup2(nowhere, stream)
    _serve(questions, answers, memory, limits, squeeze)


if __name__ == "__main__":
    _main()
