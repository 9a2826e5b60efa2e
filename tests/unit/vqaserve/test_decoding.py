"""The decoding process: what it refuses, what ends it, and that the next picture is decoded nevertheless."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import product
from pathlib import Path
from typing import IO

import psutil
import pytest
from PIL import Image

from tests.support.bombs import jpeg_of_padding, jpeg_of_scans, png_of_chunks, png_of_profiles
from tests.support.pictures import encoded, saved
from vqaops.paths import ROOT
from vqaserve import decoding
from vqaserve.decoding import Budget, Decoder
from vqaserve.errors import InvalidImage, Overloaded
from vqaserve.limits import Limits
from vqaserve.pictures import Squeeze

LIMITS = Limits().pictures


@pytest.fixture(scope="module")
def decoder() -> Decoder:
    return Decoder(LIMITS)


def budget(seconds: float = LIMITS.max_decode_seconds, pixels: int = LIMITS.max_request_pixels) -> Budget:
    return Budget(pixels, seconds)


def child_of(decoder: Decoder) -> psutil.Process:
    decoder.decode(encoded(), budget())  # one that has died is started again only by the next picture
    return psutil.Process(decoder._child.pid)


def until(condition: Callable[[], bool], seconds: float = 30) -> bool:
    deadline = time.monotonic() + seconds
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.02)
    return condition()


def test_a_picture_comes_back_as_it_was(decoder: Decoder):
    noise = Image.effect_noise((301, 203), 90).convert("RGB")
    picture = decoder.decode(saved(noise), budget())
    assert picture.pixels.tobytes() == noise.tobytes()
    assert (picture.pixels.size, picture.warnings) == ((301, 203), ())


def test_a_refusal_has_the_message_of_the_child_process(decoder: Decoder):
    with pytest.raises(InvalidImage, match=r"is not a JPEG, PNG, .* file; convert it"):
        decoder.decode(b"hello", budget())


def test_the_pixels_and_the_time_of_a_request_are_shared_by_its_pictures(decoder: Decoder):
    left = budget(pixels=2000 * 2000 + 12)
    decoder.decode(saved(Image.effect_noise((2000, 2000), 90)), left)
    assert left.pixels == 12
    assert 0 < left.seconds < LIMITS.max_decode_seconds
    with pytest.raises(InvalidImage, match="more than 40,000,000 pixels together"):
        decoder.decode(encoded(size=(5, 4)), left)


@pytest.mark.parametrize(
    "bomb",
    [jpeg_of_scans(20_000), png_of_chunks(1_000_000), jpeg_of_padding(8_000_000)],
    ids=["progressive JPEG", "PNG chunks", "JPEG padding"],
)
def test_a_file_that_takes_too_long_is_refused_and_the_next_one_opened(decoder: Decoder, bomb: bytes):
    assert len(bomb) < LIMITS.max_image_bytes
    left = budget(seconds=0.3)
    with pytest.raises(InvalidImage, match=r"takes too long to decode; .* 1\.5 s of CPU time together"):
        decoder.decode(bomb, left)
    with pytest.raises(InvalidImage, match="takes too long"):  # nothing is left for the same request
        decoder.decode(encoded(), left)
    assert decoder.decode(encoded("blue"), budget()).pixels.getpixel((0, 0)) == (0, 0, 255)


def test_profiles_that_unpack_to_gigabytes_cost_next_to_nothing(decoder: Decoder):
    left = budget(seconds=0.3)
    assert decoder.decode(png_of_profiles(4_000), left).pixels.size == (8, 8)
    assert left.seconds > 0.1


def test_almost_no_time_left_does_not_mean_no_limit(decoder: Decoder):
    with pytest.raises(InvalidImage, match="takes too long"):
        decoder.decode(jpeg_of_scans(20_000), budget(seconds=1e-9))


def test_a_file_that_needs_too_much_memory_is_refused_and_the_next_one_opened():
    decoder = Decoder(LIMITS)
    child = child_of(decoder)
    assert child.rlimit(psutil.RLIMIT_AS)[0] < 2**30
    child.rlimit(psutil.RLIMIT_AS, (child.memory_info().vms + 20 * 2**20,) * 2)  # no file is known that needs 800 MB
    with pytest.raises(InvalidImage, match="takes too much memory to decode"):
        decoder.decode(encoded(size=(3000, 3000)), budget())
    assert decoder.decode(encoded(), budget()).pixels.size == (4, 3)


def test_the_largest_progressive_jpeg_fits_into_the_memory_and_the_time_of_a_request():
    decoder = Decoder(LIMITS, Squeeze(64, 64, Image.Resampling.BILINEAR))
    child = child_of(decoder)
    photograph = Image.new("RGB", (8192, 6144))
    tile = Image.merge("RGB", [Image.effect_noise((512, 384), 20) for _ in range(3)])  # like a sensor's at night
    for left, top in product(range(0, 8192, 512), range(0, 6144, 384)):
        photograph.paste(tile, (left, top))
    file = saved(photograph, "JPEG", progressive=True, subsampling=0)
    assert 18_000_000 < len(file) < LIMITS.max_image_bytes
    opened = decoder.decode(file, budget(seconds=20))
    assert opened.area == 1024 * 768
    with Path(f"/proc/{child.pid}/status").open() as status:
        (peak,) = [int(line.split()[1]) for line in status if line.startswith("VmHWM:")]
    assert 250_000 < peak < 600_000  # kB: the coefficients take 6 bytes a pixel


@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGSEGV, signal.SIGKILL])
def test_a_child_that_ended_while_idle_costs_the_next_picture_nothing(decoder: Decoder, end: signal.Signals):
    child = child_of(decoder)
    child.send_signal(end)
    assert until(lambda: child.status() == psutil.STATUS_ZOMBIE)
    assert decoder.decode(encoded("blue"), budget()).pixels.getpixel((0, 0)) == (0, 0, 255)


@contextmanager
def ended_in_the_middle(decoder: Decoder, end: signal.Signals) -> Iterator[None]:
    """The child is ended once it has used some time on a file."""
    child = child_of(decoder)
    used = sum(child.cpu_times()[:2])

    def finish() -> None:
        assert until(lambda: sum(child.cpu_times()[:2]) > used + 0.1)
        child.send_signal(end)

    with ThreadPoolExecutor(1) as pool:
        ending = pool.submit(finish)
        yield
        ending.result()


def test_a_file_that_crashes_the_decoder_is_refused_and_the_next_one_opened(decoder: Decoder):
    with (
        ended_in_the_middle(decoder, signal.SIGSEGV),  # stands for a hole in a library
        pytest.raises(InvalidImage, match="damaged in a way that crashes its decoder"),
    ):
        decoder.decode(jpeg_of_scans(20_000), budget(seconds=20))
    assert decoder.decode(encoded(), budget()).pixels.size == (4, 3)


def test_a_machine_out_of_memory_is_not_the_pictures_fault(decoder: Decoder):
    with ended_in_the_middle(decoder, signal.SIGKILL), pytest.raises(MemoryError):
        decoder.decode(jpeg_of_scans(20_000), budget(seconds=20))
    assert decoder.decode(encoded(), budget()).pixels.size == (4, 3)


def test_a_picture_whose_child_is_asked_to_end_is_opened_by_the_next_child(decoder: Decoder):
    with ended_in_the_middle(decoder, signal.SIGTERM):
        assert decoder.decode(jpeg_of_scans(2_000), budget(seconds=20)).pixels.size


def test_a_child_that_ends_after_its_answer_fails_no_picture(decoder: Decoder, monkeypatch: pytest.MonkeyPatch):
    child = child_of(decoder)
    wait = decoding._wait

    def ending(answers: IO[bytes]) -> None:
        wait(answers)
        if child.is_running():
            child.kill()
            child.wait()

    monkeypatch.setattr(decoding, "_wait", ending)
    assert decoder.decode(encoded("red", (3000, 3000)), budget()).pixels.getpixel((0, 0)) == (255, 0, 0)
    assert not child.is_running()
    assert decoder.decode(encoded("blue"), budget()).pixels.getpixel((0, 0)) == (0, 0, 255)


def test_after_the_batchs_time_a_picture_is_refused_for_now(decoder: Decoder):
    with pytest.raises(Overloaded, match="too busy to open this picture now"):
        decoder.decode(encoded(), Budget(LIMITS.max_request_pixels, LIMITS.max_decode_seconds, time.monotonic()))


def test_a_late_answer_is_not_used_for_the_next_picture(decoder: Decoder, monkeypatch: pytest.MonkeyPatch):
    def failing(answers: IO[bytes]) -> None:
        raise MemoryError

    child_of(decoder)
    with monkeypatch.context() as patched:
        patched.setattr(decoding, "_wait", failing)
        with pytest.raises(MemoryError):
            decoder.decode(encoded("red", (301, 203)), budget())
    assert decoder.decode(encoded("blue"), budget()).pixels.getpixel((0, 0)) == (0, 0, 255)


def test_a_file_that_is_over_the_limit_never_reaches_the_child(decoder: Decoder):
    with pytest.raises(InvalidImage, match="at most 25,165,824 are allowed"):
        decoder.decode(b"x" * (LIMITS.max_image_bytes + 1), budget())


def test_the_largest_picture_fits_and_its_memory_is_given_back_at_once():
    limits = Limits(max_image_pixels=4_000_000).pictures
    decoder = Decoder(limits)
    before = os.fstat(decoder._memory.file).st_blocks
    noise = Image.effect_noise((2500, 1600), 90).convert("RGB")
    picture = decoder.decode(saved(noise, "PNG", compress_level=1), Budget(40_000_000, 10))
    assert picture.pixels.tobytes() == noise.tobytes()
    assert os.fstat(decoder._memory.file).st_blocks == before
    assert decoder.decode(encoded("blue"), budget()).pixels.getpixel((0, 0)) == (0, 0, 255)


def test_a_picture_comes_back_squeezed_and_all_of_it_counts():
    decoder = Decoder(LIMITS, Squeeze(64, 48, Image.Resampling.BICUBIC))
    left, noise = budget(), Image.effect_noise((301, 203), 90).convert("RGB")
    squeezed = noise.resize((64, 48), Image.Resampling.BICUBIC)
    assert decoder.decode(saved(noise), left).pixels.tobytes() == squeezed.tobytes()
    assert left.pixels == LIMITS.max_request_pixels - 301 * 203


def test_there_is_room_for_a_picture_that_becomes_larger_than_any_file_may_be():
    decoder = Decoder(Limits(max_image_pixels=100).pictures, Squeeze(1000, 1000, Image.Resampling.BILINEAR))
    assert decoder.decode(encoded(), budget()).pixels.size == (1000, 1000)


def test_the_child_ends_with_its_owner():
    decoder = Decoder(LIMITS)
    child = child_of(decoder)
    del decoder
    assert until(lambda: not child.is_running())


def test_the_child_ends_with_a_worker_that_is_killed():
    code = (
        "from vqaserve.decoding import Decoder\nfrom vqaserve.limits import Limits\nimport time\n"
        "decoder = Decoder(Limits().pictures)\nprint(decoder._child.pid, flush=True)\ntime.sleep(60)"
    )
    worker = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, cwd=ROOT)
    with worker:
        child = psutil.Process(int(worker.stdout.readline()))
        os.kill(worker.pid, signal.SIGKILL)
    assert until(lambda: not child.is_running() or child.status() == psutil.STATUS_ZOMBIE)
