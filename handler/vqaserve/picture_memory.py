"""Memory that a worker and the process that decodes its pictures both see: files go in, pixels come out.

Through a pipe, the pixels of a 640 x 480 picture take 14 turns of both processes, and more CPU time than decoding.
"""

from __future__ import annotations

import mmap
import os
import struct
import weakref
from dataclasses import dataclass
from typing import TYPE_CHECKING

from PIL import Image

from vqaserve.types import Opened, Squeeze

if TYPE_CHECKING:  # the process that decodes starts without pydantic
    from vqaserve.settings import Limits

WAKE = b"."
"""What either writes into a pipe, that the other may go on."""

_ASKED = struct.Struct("<QqdB")  # bytes of the file, pixels left, seconds left, whether it has been taken
_TAKEN_AT = _ASKED.size - 1
_TOLD = struct.Struct("<?IIQId")  # refused, width, height, pixels of the file, bytes of text, seconds used
_TOLD_AT = 32
_TEXT_AT = 128
_FILE_AT = 4096

_LARGE = 4_000_000  # bytes


@dataclass(frozen=True, slots=True)
class Asked:
    """What is to be decoded.

    Attributes:
        data: The file.
        pixels_left: Of its request's limit.
        seconds_left: Of CPU time.
    """

    data: bytes
    pixels_left: int
    seconds_left: float


@dataclass(frozen=True, slots=True)
class Told:
    """What became of it.

    Attributes:
        opened: The picture, or why it is refused.
        seconds: Of CPU time that were used.
    """

    opened: Opened | str
    seconds: float


class PictureMemory:
    """Room for one file and its pixels; whoever has written wakes the other one."""

    def __init__(self, limits: Limits, squeeze: Squeeze | None = None, file: int | None = None) -> None:
        """Make it, or see the same as the other process.

        Args:
            limits: The largest file and picture; the same in both processes.
            squeeze: What is done to each picture; the same in both.
            file: The other's descriptor; None: it is made here.
        """
        self._pixels_at = _FILE_AT + limits.max_image_bytes
        self.most_pixels = max(limits.max_image_pixels, squeeze.width * squeeze.height if squeeze else 0)
        self._size = self._pixels_at + 3 * self.most_pixels
        self.file = _new_file() if file is None else file
        weakref.finalize(self, os.close, self.file)
        if file is None:
            os.ftruncate(self.file, self._size)
        self._memory = mmap.mmap(self.file, self._size)  # takes no memory before something is written

    def ask(self, asked: Asked) -> None:
        """Put in a file, of at most ``max_image_bytes``."""
        _ASKED.pack_into(self._memory, 0, len(asked.data), asked.pixels_left, asked.seconds_left, False)
        self._memory[_FILE_AT : _FILE_AT + len(asked.data)] = asked.data

    def take(self) -> Asked:
        """What is to be decoded; from now on it is ``taken``."""
        size, pixels_left, seconds_left, _ = _ASKED.unpack_from(self._memory)
        data = self._memory[_FILE_AT : _FILE_AT + size]
        self._memory[_TAKEN_AT] = True
        return Asked(data, pixels_left, seconds_left)

    @property
    def taken(self) -> bool:
        """Whether the other process has begun with the file, so that its death may be the file's fault."""
        return bool(self._memory[_TAKEN_AT])

    def tell(self, told: Told) -> None:
        """Put in what became of the file."""
        if isinstance(told.opened, Opened):
            refused, text, size, area = (
                False,
                "\n".join(told.opened.warnings),
                told.opened.pixels.size,
                told.opened.area,
            )
            pixels = told.opened.pixels.tobytes()
            self._memory[self._pixels_at : self._pixels_at + len(pixels)] = pixels
        else:
            refused, text, size, area = True, told.opened, (0, 0), 0
        encoded = text.encode()[: _FILE_AT - _TEXT_AT]
        self._memory[_TEXT_AT : _TEXT_AT + len(encoded)] = encoded
        _TOLD.pack_into(self._memory, _TOLD_AT, refused, *size, area, len(encoded), told.seconds)

    def told(self) -> Told:
        """What became of the file."""
        refused, width, height, area, length, seconds = _TOLD.unpack_from(self._memory, _TOLD_AT)
        text = self._memory[_TEXT_AT : _TEXT_AT + length].decode(errors="ignore")
        if refused:
            return Told(text, seconds)
        with memoryview(self._memory) as memory, memory[self._pixels_at : self._pixels_at + 3 * width * height] as raw:
            pixels = Image.frombytes("RGB", (width, height), raw)
        return Told(Opened(pixels, tuple(text.splitlines()), area), seconds)

    @property
    def large(self) -> bool:
        """Whether file and pixels take so much memory that it is not kept for the next ones."""
        size, _, _, _ = _ASKED.unpack_from(self._memory)
        _, width, height, _, _, _ = _TOLD.unpack_from(self._memory, _TOLD_AT)
        return bool(size + 3 * width * height > _LARGE)

    def clear(self) -> None:
        """Give the memory of a large picture back, while the other process is idle."""
        if self.large:
            os.ftruncate(self.file, 0)
            os.ftruncate(self.file, self._size)


def _new_file() -> int:
    """A descriptor of a file that is on no disk, where the system has such."""
    if hasattr(os, "memfd_create"):
        return os.memfd_create("pictures")
    import tempfile  # and much with it, which the process that decodes can do without

    with tempfile.TemporaryFile() as file:
        return os.dup(file.fileno())
