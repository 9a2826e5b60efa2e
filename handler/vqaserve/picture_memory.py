"""Memory shared by a worker and its decoding process: the worker writes a file, the other process writes pixels.

Sending the pixels of a 640 x 480 picture through a pipe takes 14 turns of both processes, and more CPU time than
decoding the picture.
"""

from __future__ import annotations

import mmap
import os
import struct
import weakref
from dataclasses import dataclass

from PIL import Image

from vqaserve.pictures import Opened, PictureLimits, Squeeze

WAKE = b"."
"""The byte that one process writes into a pipe to wake the other."""

_TASK = struct.Struct("<QqdB")  # bytes of the file, pixels left, seconds left, whether the task has been taken
_TAKEN_AT = _TASK.size - 1
_RESULT = struct.Struct("<?IIQdId")
"""Refused, width, height, pixels decoded, aspect ratio, bytes of text, seconds used."""
_RESULT_AT = 32
_TEXT_AT = 128
_FILE_AT = 4096

_LARGE = 4_000_000  # bytes


@dataclass(frozen=True, slots=True)
class DecodeTask:
    """A picture file to decode.

    Attributes:
        data: The file.
        pixels_left: Pixels left of the request's limit.
        seconds_left: CPU seconds left of the request's limit.
    """

    data: bytes
    pixels_left: int
    seconds_left: float


@dataclass(frozen=True, slots=True)
class DecodeResult:
    """The result of a task.

    Attributes:
        opened: The picture, or the reason why it is refused.
        seconds: CPU seconds used.
    """

    opened: Opened | str
    seconds: float


class PictureMemory:
    """Shared memory for one file and its pixels. The process that has written wakes the other."""

    def __init__(self, limits: PictureLimits, squeeze: Squeeze | None = None, file: int | None = None) -> None:
        """Allocate the memory, or map the memory of the other process.

        Args:
            limits: The largest file and picture; the same in both processes.
            squeeze: The resizing of every picture; the same in both processes.
            file: The descriptor that the other process made; None makes one.
        """
        self._pixels_at = _FILE_AT + limits.max_image_bytes
        self.most_pixels = max(limits.max_image_pixels, squeeze.width * squeeze.height if squeeze else 0)
        self._size = self._pixels_at + 3 * self.most_pixels
        self.file = _new_file() if file is None else file
        weakref.finalize(self, os.close, self.file)
        if file is None:
            os.ftruncate(self.file, self._size)
        self._memory = mmap.mmap(self.file, self._size)  # pages are allocated when they are written

    def put_task(self, task: DecodeTask) -> None:
        """Write a task, whose file has at most ``max_image_bytes``."""
        _TASK.pack_into(self._memory, 0, len(task.data), task.pixels_left, task.seconds_left, False)
        self._memory[_FILE_AT : _FILE_AT + len(task.data)] = task.data

    def take_task(self) -> DecodeTask:
        """Return the task, and mark it as taken."""
        size, pixels_left, seconds_left, _ = _TASK.unpack_from(self._memory)
        data = self._memory[_FILE_AT : _FILE_AT + size]
        self._memory[_TAKEN_AT] = True
        return DecodeTask(data, pixels_left, seconds_left)

    @property
    def taken(self) -> bool:
        """Whether the decoding process has taken the task, so that its death may be the file's fault."""
        return bool(self._memory[_TAKEN_AT])

    def put_result(self, result: DecodeResult) -> None:
        """Write the result of the task."""
        if isinstance(result.opened, Opened):
            refused, text = False, "\n".join(result.opened.warnings)
            area, aspect = result.opened.area, result.opened.aspect
            size = result.opened.pixels.size
            pixels = result.opened.pixels.tobytes()
            self._memory[self._pixels_at : self._pixels_at + len(pixels)] = pixels
        else:
            refused, text, size, area, aspect = True, result.opened, (0, 0), 0, 1.0
        encoded = text.encode()[: _FILE_AT - _TEXT_AT]
        self._memory[_TEXT_AT : _TEXT_AT + len(encoded)] = encoded
        _RESULT.pack_into(self._memory, _RESULT_AT, refused, *size, area, aspect, len(encoded), result.seconds)

    def take_result(self) -> DecodeResult:
        """Return the result of the task."""
        refused, width, height, area, aspect, length, seconds = _RESULT.unpack_from(self._memory, _RESULT_AT)
        text = self._memory[_TEXT_AT : _TEXT_AT + length].decode(errors="ignore")
        if refused:
            return DecodeResult(text, seconds)
        with memoryview(self._memory) as memory, memory[self._pixels_at : self._pixels_at + 3 * width * height] as raw:
            pixels = Image.frombytes("RGB", (width, height), raw)
        return DecodeResult(Opened(pixels, tuple(text.split("\n")) if text else (), area, aspect), seconds)

    @property
    def large(self) -> bool:
        """Whether the file and its pixels are too large to keep their memory for the next picture."""
        size, _, _, _ = _TASK.unpack_from(self._memory)
        _, width, height, *_ = _RESULT.unpack_from(self._memory, _RESULT_AT)
        return bool(size + 3 * width * height > _LARGE)

    def clear(self) -> None:
        """Return the memory of a large picture to the system; the other process must be idle."""
        if self.large:
            os.ftruncate(self.file, 0)
            os.ftruncate(self.file, self._size)


def _new_file() -> int:
    """Return the descriptor of a file in memory where the system has such files, else of a temporary file."""
    if hasattr(os, "memfd_create"):
        return os.memfd_create("pictures")
    import tempfile  # slow to import, and the decoding process does not need it

    with tempfile.TemporaryFile() as file:
        return os.dup(file.fileno())
