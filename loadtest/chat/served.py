"""The bar of a whole server: what a single question costs at eight connections, beside ``generate`` in full batches."""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from statistics import median

import numpy as np
from PIL import Image

from loadtest.bench.floor import measure_in_process
from loadtest.bench.load_generator import LoadGenerator
from loadtest.bench.measured_server import start_measured
from loadtest.bench.recipe_archives import current_archive
from loadtest.chat.bars import Bar
from loadtest.chat.smolvlm import NAME, SIDE
from loadtest.chat.talk import Plain, first_question, square_pictures
from loadtest.pairs import QUESTIONS, Pair, PairRequest, RequestStream

CONNECTIONS = 8
BATCHES = (1, 4, 8)


def measure_served(recipe: Path, plain: Plain, output: Path, rounds: int) -> Bar:
    """CPU time of an answer of the server against that of ``generate`` at its best batch, in turn.

    Args:
        recipe: The recipe that the server serves.
        plain: The same model in this process.
        output: Folder of the archive and of the server's files.
        rounds: How often each is measured; a connection asks two questions in a round.
    """
    archive = current_archive(recipe, output / "store")
    seconds: dict[str, list[float]] = defaultdict(list)
    with start_measured([archive], output / "server") as measured:
        server = LoadGenerator(measured, NAME, _pairs())
        server.closed_loop(_unseen, 1, 600, most=1)
        for _ in range(rounds):
            answered = server.closed_loop(_unseen, CONNECTIONS, 600, most=2)
            seconds["server"].append(answered.cpu.total / answered.answers)
            seconds["server, Java"].append(answered.cpu.parent / answered.answers)
            for batch in BATCHES:
                in_process = measure_in_process(lambda some, _: _answer(plain, some), _unseen(_pairs()), batch, 0.1)
                seconds[f"generate in batches of {batch}"].append(in_process.cpu.total / in_process.answers)
    found = {name: median(values) for name, values in seconds.items()}
    best = min(found[f"generate in batches of {batch}"] for batch in BATCHES)
    detail = ", ".join(f"{name} {1000 * value:,.0f} ms" for name, value in found.items())
    return Bar(
        "single question at 8 connections / generate: CPU time of an answer", found["server"] / best, "<= 1.05", detail
    )


def _pairs() -> list[Pair]:
    files = [as_jpeg(picture) for picture in square_pictures(len(QUESTIONS))]
    return [Pair(number, file, question) for number, (file, question) in enumerate(zip(files, QUESTIONS, strict=True))]


def _unseen(pairs: Sequence[Pair]) -> RequestStream:
    """Every pair in turn, each time with other pixels: a copy with the same pixels would have known features."""
    noise = np.random.default_rng()
    for pair in itertools.cycle(pairs):
        pixels = np.asarray(Image.open(BytesIO(pair.picture))).copy()
        pixels[:64, :64] = noise.integers(0, 256, (64, 64, 3))
        yield PairRequest(pair, as_jpeg(Image.fromarray(pixels)))


def as_jpeg(picture: Image.Image) -> bytes:
    """A picture as a file."""
    buffer = BytesIO()
    picture.save(buffer, "JPEG", quality=90)
    return buffer.getvalue()


def _answer(plain: Plain, requests: Sequence[PairRequest]) -> list[list[int]]:
    pictures = [Image.open(BytesIO(request.image)).convert("RGB").resize((SIDE, SIDE)) for request in requests]
    return plain.answer([first_question(picture, number) for number, picture in enumerate(pictures)])
