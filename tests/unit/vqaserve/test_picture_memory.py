"""What one process writes into the shared memory, the other reads back whole."""

from __future__ import annotations

import os

import pytest
from PIL import Image

from vqaserve.limits import Limits
from vqaserve.picture_memory import DecodeResult, DecodeTask, PictureMemory
from vqaserve.pictures import Opened

LIMITS = Limits(max_image_bytes=1000, max_image_pixels=100)


@pytest.fixture
def memories() -> tuple[PictureMemory, PictureMemory]:
    """The same memory, as both processes see it."""
    ours = PictureMemory(LIMITS)
    return ours, PictureMemory(LIMITS, file=os.dup(ours.file))


def test_a_task_is_read_back_and_then_taken(memories: tuple[PictureMemory, PictureMemory]):
    worker, process = memories
    worker.put_task(DecodeTask(b"a file", 12, 0.5))
    assert not worker.taken
    assert process.take_task() == DecodeTask(b"a file", 12, 0.5)
    assert worker.taken


def test_a_refusal_is_read_back(memories: tuple[PictureMemory, PictureMemory]):
    worker, process = memories
    process.put_result(DecodeResult("too large: 10\u2009%", 0.25))
    assert worker.take_result() == DecodeResult("too large: 10\u2009%", 0.25)


@pytest.mark.parametrize(
    "warnings", [(), ("one",), ("one", "two"), ("a line separator \u2028 and a next line \x85 stay", "two\r")]
)
def test_a_picture_is_read_back_with_its_warnings(
    memories: tuple[PictureMemory, PictureMemory], warnings: tuple[str, ...]
):
    worker, process = memories
    pixels = Image.effect_noise((9, 5), 90).convert("RGB")
    process.put_result(DecodeResult(Opened(pixels, warnings, 180, 1.5), 0.25))
    result = worker.take_result()
    assert isinstance(result.opened, Opened)
    assert result.opened.pixels.tobytes() == pixels.tobytes()
    assert (result.opened.warnings, result.opened.area, result.opened.aspect, result.seconds) == (
        warnings,
        180,
        1.5,
        0.25,
    )
