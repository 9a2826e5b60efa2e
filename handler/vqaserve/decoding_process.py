"""The program of the process that decodes pictures, which a worker starts (decoding.py).

It imports as little as it can: every worker starts one, and it should be ready before the worker's model is.
"""

from __future__ import annotations

import os
import resource
import signal
import sys
import time
from contextlib import suppress

from PIL.Image import Resampling

from vqaserve.errors import InvalidImage
from vqaserve.images import open_picture
from vqaserve.memory import trim
from vqaserve.picture_memory import WAKE, DecodeResult, DecodeTask, PictureMemory
from vqaserve.pictures import PictureLimits, Squeeze

_SHORTEST = 0.001  # seconds

# Python, Pillow, a file and its metadata; and for each pixel the copies that conversion and composition take. That is
# enough for the coefficients of a progressive JPEG, 6 bytes for each of its pixels.
_BASE_BYTES = 512 * 2**20
_BYTES_PER_PIXEL = 32


def arguments(memory: int, limits: PictureLimits, squeeze: Squeeze | None) -> list[str]:
    """Return the command-line arguments of the process.

    Args:
        memory: Descriptor of the shared memory, which the process inherits.
        limits: The limits of pictures.
        squeeze: The resizing of every picture.
    """
    numbers = [
        memory,
        limits.max_image_bytes,
        limits.max_image_pixels,
        limits.max_jpeg_pixels,
        limits.max_request_pixels,
        limits.max_decode_seconds,
    ]
    if squeeze:
        numbers += [squeeze.width, squeeze.height, squeeze.resample]
    return [f"{number:d}" if isinstance(number, int) else f"{number!r}" for number in numbers]


def _parse(given: list[str]) -> tuple[int, PictureLimits, Squeeze | None]:
    memory, max_bytes, max_pixels, max_jpeg_pixels, max_request_pixels = map(int, given[:5])
    limits = PictureLimits(max_bytes, max_pixels, max_jpeg_pixels, max_request_pixels, float(given[5]))
    size = [int(number) for number in given[6:]]
    return memory, limits, Squeeze(size[0], size[1], Resampling(size[2])) if size else None


def _serve(wakes: int, answers: int, memory: PictureMemory, limits: PictureLimits, squeeze: Squeeze | None) -> None:
    """Decode one file after the other, until the pipe ``wakes`` is closed."""
    os.write(answers, WAKE)
    while os.read(wakes, len(WAKE)):
        began = time.process_time()
        task = memory.take_task()
        # Nothing handles the timer's signal, so that the kernel ends the process. A time of 0 would mean no limit.
        signal.setitimer(signal.ITIMER_PROF, max(task.seconds_left, _SHORTEST))
        is_opened = _decode(task, began, memory, limits, squeeze)
        signal.setitimer(signal.ITIMER_PROF, 0)
        # The server's allocator settings keep freed memory, in the workers' children too; a refused file may have
        # taken any amount.
        if memory.large or not is_opened:
            del task
            trim()
        os.write(answers, WAKE)


def _decode(
    task: DecodeTask, began: float, memory: PictureMemory, limits: PictureLimits, squeeze: Squeeze | None
) -> bool:
    """Write the result of a task, and return whether the file could be opened."""
    try:
        opened = open_picture(task.data, limits, task.pixels_left, squeeze)
        memory.put_result(DecodeResult(opened, time.process_time() - began))
        return True
    except InvalidImage as error:
        refusal = str(error)
    except MemoryError:
        size = len(task.data)
        refusal = f"the picture ({size:,} bytes) takes too much memory to decode; save it anew, without metadata"
    memory.put_result(DecodeResult(refusal, time.process_time() - began))
    return False


def _main() -> None:
    file, limits, squeeze = _parse(sys.argv[1:])
    memory = PictureMemory(limits, squeeze, file)
    room = _BASE_BYTES + _BYTES_PER_PIXEL * memory.most_pixels
    with suppress(ValueError):  # macOS knows the limit by name, but does not support it
        resource.setrlimit(resource.RLIMIT_AS, (room, room))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    wakes, answers = 0, os.dup(1)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (1, 2):  # libtiff writes messages there, which quote the clients' files
        os.dup2(nowhere, stream)
    _serve(wakes, answers, memory, limits, squeeze)


if __name__ == "__main__":
    _main()
