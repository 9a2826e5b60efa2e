"""The process that decodes: what it refuses, what ends it, and that the next picture is opened all the same."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
from PIL import Image

from tests.bombs import jpeg_of_padding, jpeg_of_scans, png_of_profiles
from tests.pictures import encoded, saved
from vqaserve.decoding import Budget, Decoder
from vqaserve.errors import InvalidImage
from vqaserve.settings import Limits, ModelConfig

LIMITS = Limits()
ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def decode() -> Decoder:
    return Decoder(LIMITS)


def budget(seconds: float = LIMITS.max_decode_seconds, pixels: int = LIMITS.max_request_pixels) -> Budget:
    return Budget(pixels, seconds)


def child_of(decoder: Decoder) -> psutil.Process:
    decoder(encoded(), budget())  # one that has died is started again only by the next picture
    return psutil.Process(decoder._child.pid)


def until(condition: Callable[[], bool], seconds: float = 30) -> bool:
    deadline = time.monotonic() + seconds
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.02)
    return condition()


def test_a_picture_comes_back_as_it_was(decode: Decoder):
    noise = Image.effect_noise((301, 203), 90).convert("RGB")
    picture = decode(saved(noise), budget())
    assert picture.pixels.tobytes() == noise.tobytes()
    assert (picture.pixels.size, picture.warnings) == ((301, 203), ())


def test_a_refusal_is_told_in_the_words_of_the_child(decode: Decoder):
    with pytest.raises(InvalidImage, match=r"is not a JPEG, PNG, .* file; convert it"):
        decode(b"hello", budget())


def test_the_pixels_and_the_time_of_a_request_are_shared_by_its_pictures(decode: Decoder):
    left = budget(pixels=2000 * 2000 + 12)
    decode(saved(Image.effect_noise((2000, 2000), 90)), left)
    assert left.pixels == 12
    assert 0 < left.seconds < LIMITS.max_decode_seconds
    with pytest.raises(InvalidImage, match="more than 40,000,000 pixels together"):
        decode(encoded(size=(5, 4)), left)


@pytest.mark.parametrize(
    "bomb",
    [jpeg_of_scans(20_000), png_of_profiles(4_000), jpeg_of_padding(8_000_000)],
    ids=["progressive JPEG", "PNG profiles", "JPEG padding"],
)
def test_a_file_that_takes_too_long_is_refused_and_the_next_one_opened(decode: Decoder, bomb: bytes):
    assert len(bomb) < LIMITS.max_image_bytes
    left = budget(seconds=0.3)
    with pytest.raises(InvalidImage, match=r"takes too long to decode; .* 1\.5 s of CPU time together"):
        decode(bomb, left)
    with pytest.raises(InvalidImage, match="takes too long"):  # nothing is left for the same request
        decode(encoded(), left)
    assert decode(encoded("blue"), budget()).pixels.getpixel((0, 0)) == (0, 0, 255)


def test_next_to_no_time_left_is_not_taken_for_no_limit(decode: Decoder):
    with pytest.raises(InvalidImage, match="takes too long"):
        decode(jpeg_of_scans(20_000), budget(seconds=1e-9))


def test_a_file_that_needs_too_much_memory_is_refused_and_the_next_one_opened():
    decode = Decoder(LIMITS)
    child = child_of(decode)
    assert child.rlimit(psutil.RLIMIT_AS)[0] < 2**30
    child.rlimit(psutil.RLIMIT_AS, (child.memory_info().vms + 20 * 2**20,) * 2)  # no file is known that needs 800 MB
    with pytest.raises(InvalidImage, match="takes too much memory to decode"):
        decode(encoded(size=(3000, 3000)), budget())
    assert decode(encoded(), budget()).pixels.size == (4, 3)


def test_a_file_that_crashes_the_decoder_is_refused_and_the_next_one_opened(decode: Decoder):
    child = child_of(decode)
    child.send_signal(signal.SIGSEGV)  # stands for a hole in a library
    assert until(lambda: child.status() == psutil.STATUS_ZOMBIE)
    with pytest.raises(InvalidImage, match="damaged in a way that no decoder stands"):
        decode(encoded(), budget())
    assert decode(encoded(), budget()).pixels.size == (4, 3)


def test_a_machine_out_of_memory_is_not_the_pictures_fault(decode: Decoder):
    child_of(decode).kill()
    with pytest.raises(MemoryError):
        decode(encoded(), budget())
    assert decode(encoded(), budget()).pixels.size == (4, 3)


def test_half_an_answer_is_never_taken_for_the_next_pictures(decode: Decoder, monkeypatch: pytest.MonkeyPatch):
    sizes = []

    def failing(stream, size):
        sizes.append(size)
        if size == 301 * 203 * 3:
            raise MemoryError
        return stream.read(size) if size else b""

    with monkeypatch.context() as patched:
        patched.setattr("vqaserve.decoding._read", failing)
        with pytest.raises(MemoryError):
            decode(encoded("red", (301, 203)), budget())
    assert sizes[-1] == 301 * 203 * 3
    assert decode(encoded("blue"), budget()).pixels.getpixel((0, 0)) == (0, 0, 255)


def test_the_child_ends_with_its_owner():
    decoder = Decoder(LIMITS)
    child = child_of(decoder)
    del decoder
    assert until(lambda: not child.is_running())


def test_the_child_ends_with_a_worker_that_is_killed():
    code = (
        "from vqaserve.decoding import Decoder\nfrom vqaserve.settings import Limits\nimport time\n"
        "decoder = Decoder(Limits())\nprint(decoder._child.pid, flush=True)\ntime.sleep(60)"
    )
    worker = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, cwd=ROOT)
    with worker:
        child = psutil.Process(int(worker.stdout.readline()))
        os.kill(worker.pid, signal.SIGKILL)
    assert until(lambda: not child.is_running() or child.status() == psutil.STATUS_ZOMBIE)


@pytest.mark.parametrize("recipe", sorted(path.name for path in (ROOT / "recipes").iterdir()))
def test_a_batch_of_nothing_but_bombs_is_over_before_torchserve_takes_the_worker_for_stuck(recipe: str):
    config = ModelConfig.read(ROOT / "recipes" / recipe / "model-config.yaml")
    assert config.batchSize * config.handler.limits.max_decode_seconds < config.responseTimeout
