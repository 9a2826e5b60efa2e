"""Damaged pictures and JSON for a running server: every reply is 200 or 4xx with our body; no worker dies or grows.

Real files of every format are cut, flipped, spliced and given headers that lie; `bodies.py` does as much to JSON. Each
reply is checked, and so are, before and after, the start times and the resident memory of the model's workers.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import Annotated

import httpx
import psutil
import typer
from PIL import Image
from rich.console import Console
from rich.progress import track

from loadtest.fuzz.bodies import damaged_bodies
from vqaops.paths import ROOT
from vqaops.server.client import Client
from vqaops.server.server import Server
from vqaserve.picture_formats import FORMATS

CONNECTIONS = 8
ERROR_KEYS = {"code", "type", "message"}
ANSWER_KEYS = {"answer", "predictions", "outputs"}
_FILES_A_BODY = 20


@dataclass(frozen=True)
class Case:
    """What is sent: a picture file in a form, or a JSON body."""

    file: bytes = b""
    body: bytes = b""


@dataclass(frozen=True)
class Outcome:
    """What came of a run.

    Attributes:
        replies: How often each status and type came.
        wrong: Replies that must not be: the status, and the first bytes of the body.
        restarted: Whether a worker is not the one from the start.
        memory_before: Resident bytes of the workers after the first tenth of the cases, when caches are warm.
        memory_after: The same at the end.
    """

    replies: Counter[str]
    wrong: list[str]
    restarted: bool
    memory_before: int
    memory_after: int


def files() -> list[bytes]:
    """Small pictures of every format, mode and flavour."""
    generator = random.Random(0)
    noise = Image.frombytes("RGB", (48, 32), generator.randbytes(48 * 32 * 3))
    made = [_saved(noise, file_format) for file_format in FORMATS]
    made += [_saved(noise.convert(mode), "PNG") for mode in ("1", "L", "LA", "P", "RGBA", "I;16")]
    made += [_saved(noise.convert(mode), "TIFF") for mode in ("CMYK", "YCbCr", "L", "1")]
    made += [_saved(noise, "TIFF", compression=kind) for kind in ("tiff_lzw", "tiff_deflate", "packbits", "jpeg")]
    made += [_saved(noise, "JPEG", progressive=True), _saved(noise, "WEBP", lossless=True)]
    frames = [noise.rotate(90 * turn) for turn in range(3)]
    made += [_saved(noise, kind, save_all=True, append_images=frames) for kind in ("GIF", "WEBP", "PNG", "TIFF")]
    return made


def _saved(image: Image.Image, file_format: str, **options: object) -> bytes:
    buffer = BytesIO()
    image.save(buffer, file_format, **options)
    return buffer.getvalue()


def _cut(data: bytearray, other: bytes, generator: random.Random) -> bytearray:
    del other
    return data[: generator.randrange(len(data) + 1)]


def _flip(data: bytearray, other: bytes, generator: random.Random) -> bytearray:
    del other
    for _ in range(generator.choice([1, 2, 8, 64])):
        data[generator.randrange(len(data))] ^= 1 << generator.randrange(8)
    return data


def _splice(data: bytearray, other: bytes, generator: random.Random) -> bytearray:
    here, there = generator.randrange(len(data)), generator.randrange(len(other))
    return data[:here] + other[there:]


def _lie(data: bytearray, other: bytes, generator: random.Random) -> bytearray:
    """Extreme numbers where sizes, counts and offsets stand."""
    del other
    width = generator.choice([1, 2, 4])
    place = generator.randrange(min(len(data), 96))
    data[place : place + width] = generator.choice([b"\x00", b"\xff", b"\x7f", b"\x80"]) * width
    return data


def _repeat(data: bytearray, other: bytes, generator: random.Random) -> bytearray:
    del other
    start = generator.randrange(len(data))
    return (
        data[:start]
        + data[start : start + generator.randrange(1, 64)] * generator.choice([2, 100, 5000])
        + data[start:]
    )


MUTATIONS: tuple[Callable[[bytearray, bytes, random.Random], bytearray], ...] = (_cut, _flip, _splice, _lie, _repeat)


def mutants(count: int, seed: int, whole: float) -> Iterator[bytes]:
    """Damaged files, and a share of whole ones, no two alike; the same for the same seed."""
    generator, originals = random.Random(seed), files()
    for number in range(count):
        if generator.random() < whole:
            yield _saved(Image.new("RGB", (64 + number % 64, 64), (number % 256, number // 256 % 256, 0)), "PNG")
            continue
        data = bytearray(generator.choice(originals))
        for _ in range(generator.choice([1, 1, 1, 2, 3])):
            if data:
                data = generator.choice(MUTATIONS)(data, generator.choice(originals), generator)
        yield bytes(data)


def fuzz(client: Client, model: str, cases: int, seed: int, show: Console, whole: float = 0) -> Outcome:
    """Send the damaged files and check what comes back."""
    before = client.workers(model)
    replies: Counter[str] = Counter()
    wrong: list[str] = []
    memory = 0
    with ThreadPoolExecutor(CONNECTIONS) as pool:
        sent = pool.map(partial(_send, client, model), _cases(cases, seed, whole))
        for number, reply in enumerate(track(sent, f"fuzzing {model}", total=cases, console=show)):
            replies[_name(reply)] += 1
            if _name(reply).startswith("wrong"):
                wrong.append(f"{reply.status_code} {reply.content[:200]!r}")
            if number == cases // 10:
                memory = _resident(client, model)
    return Outcome(replies, wrong, client.workers(model) != before, memory, _resident(client, model))


def _cases(count: int, seed: int, whole: float) -> Iterator[Case]:
    """Damaged files, and one damaged JSON body after every ``_FILES_A_BODY`` of them."""
    bodies = damaged_bodies(count // _FILES_A_BODY, seed, files()[0])
    for number, file in enumerate(mutants(count - count // _FILES_A_BODY, seed, whole), start=1):
        yield Case(file=file)
        if number % (_FILES_A_BODY - 1) == 0 and (body := next(bodies, None)):
            yield Case(body=body)


def _send(client: Client, model: str, case: Case) -> httpx.Response:
    url, headers = f"{client.addresses.inference}/predictions/{model}", client.header("inference")
    if case.body:
        return client.http.post(url, headers={**headers, "Content-Type": "application/json"}, content=case.body)
    return client.http.post(url, headers=headers, data={"question": "what?"}, files={"image": case.file})


def _name(reply: httpx.Response) -> str:
    """The status and, of a refusal, its type; ``wrong`` for what must not be."""
    try:
        body = reply.json()
    except ValueError:
        return f"wrong: {reply.status_code} is not JSON"
    if reply.status_code == 200 and (isinstance(body, list) or body.keys() & ANSWER_KEYS):
        return "200"
    if 400 <= reply.status_code < 500 and body.keys() - {"error"} == ERROR_KEYS:
        return f"{reply.status_code} {body['type']}"
    return f"wrong: {reply.status_code} {body.get('type')}"


def _resident(client: Client, model: str) -> int:
    """Of the workers and the processes in which they decode."""
    workers = [psutil.Process(worker.pid) for worker in client.workers(model)]
    return sum(process.memory_info().rss for worker in workers for process in (worker, *worker.children()))


def main(
    model: Annotated[str, typer.Argument(help="A model that the running server has loaded.")] = "shapes",
    cases: Annotated[int, typer.Option(help="Damaged files and bodies to send.")] = 20_000,
    seed: Annotated[int, typer.Option(help="The same seed makes the same files.")] = 0,
    whole: Annotated[float, typer.Option(min=0, max=1, help="Share of undamaged files among them.")] = 0,
    run: Annotated[Path, typer.Option(help="Folder of the running server.")] = ROOT / "run",
) -> None:
    """Send damaged pictures and JSON to the running server (make serve).

    Example, whether memory stays flat: python -m loadtest.fuzz shapes --cases 10000 --whole 0.5
    """
    console = Console(highlight=False)
    outcome = fuzz(Server(run.resolve()).client, model, cases, seed, console, whole)
    for name, count in outcome.replies.most_common():
        console.print(f"{count:>8,}  {name}")
    megabytes = (outcome.memory_before / 1e6, outcome.memory_after / 1e6)
    console.print(f"workers: {megabytes[0]:.0f} MB after a tenth of the cases, {megabytes[1]:.0f} MB at the end")
    console.print("a worker was restarted" if outcome.restarted else "no worker was restarted")
    for line in outcome.wrong[:10]:
        console.print(f"wrong: {line}", markup=False)
    raise typer.Exit(1 if outcome.wrong or outcome.restarted else 0)


if __name__ == "__main__":
    typer.run(main)
