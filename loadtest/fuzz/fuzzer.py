"""Sends damaged and unusual requests, and checks every reply and the workers.

A reply must be an answer, or a refusal with status 4xx and our error body. No worker may restart, and their memory must
not grow. httpx sends the requests, since it takes any header and body.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import chain, islice, pairwise

import httpx
import psutil
from rich.console import Console
from rich.progress import track

from loadtest.fuzz.damaged_files import damaged_files
from loadtest.fuzz.encoded_bodies import EncodedBody, encoded_bodies, picture_form
from loadtest.fuzz.json_bodies import damaged_bodies
from loadtest.fuzz.target import Target
from vqaops.errors import ServerError
from vqaops.server.client import Client
from vqaops.server.descriptions import describe

CONNECTIONS = 8
ERROR_KEYS = {"code", "type", "message"}
ANSWER_KEYS = {"answer", "label", "predictions", "outputs"}
LARGEST_GROWTH = 0.1
"""Share by which the workers' memory may grow in the second half. The caches still fill in the first."""
SETTLE_SECONDS = 2.5
_PARTS = 10
_CYCLE = 20
_WRONG = "wrong: "


@dataclass(frozen=True)
class FuzzResult:
    """What a run showed.

    Attributes:
        replies: Number of replies by status and type.
        wrong: Replies that are neither an answer nor a refusal: the status, and the first bytes of the body.
        restarted: Whether a worker was restarted.
        memory: Resident bytes of the workers and their decoding processes, at the start and after each tenth.
    """

    replies: Counter[str]
    wrong: list[str]
    restarted: bool
    memory: tuple[int, ...]

    @property
    def growth(self) -> float:
        """Growth of the memory in the second half, as a share of what it was at half time."""
        return self.memory[-1] / self.memory[len(self.memory) // 2] - 1


def fuzz(
    client: Client,
    model: str,
    cases: int,
    seed: int,
    console: Console,
    whole: float = 0,
    settle: float = SETTLE_SECONDS,
    first: Sequence[bytes] = (),
) -> FuzzResult:
    """Send requests to a model and check the replies.

    Args:
        client: Where to send them.
        model: A model that the server has loaded.
        cases: The number of requests.
        seed: The same seed sends the same requests.
        console: Shows the progress.
        whole: Share of undamaged pictures.
        settle: Seconds of small requests before each reading of the memory, so that the workers return what is free.
        first: Files to send as they are before all others.

    Raises:
        ServerError: The model does not answer.
    """
    said = describe(client, model)
    if said is None:
        raise ServerError(f"{model} does not answer; see which models are ready: scripts/models.py list")
    target, before = Target.reading(said.fields), _ready_workers(client, model)
    small = picture_form(target.files[0], target.fields)
    replies: Counter[str] = Counter()
    wrong: list[str] = []
    memory = [_settled_bytes(client, model, small, settle)]
    bodies = chain((picture_form(file, target.fields) for file in first), fuzz_cases(seed, whole, target))
    with ThreadPoolExecutor(CONNECTIONS) as pool:
        for size in track(_parts(cases), f"fuzzing {model}", console=console):
            for reply in pool.map(partial(_send, client, model), islice(bodies, size)):
                kind = classify(reply)
                replies[kind] += 1
                if kind.startswith(_WRONG):
                    wrong.append(f"{reply.status_code} {reply.content[:200]!r} to {dict(reply.request.headers)}")
            memory.append(_settled_bytes(client, model, small, settle))
    restarted = not before <= _ready_workers(client, model)
    return FuzzResult(replies, wrong, restarted, tuple(memory))


def fuzz_cases(seed: int, whole: float, target: Target) -> Iterator[EncodedBody]:
    """Yield requests without end: of each twenty, 17 have a file, one has JSON, two an unusual encoding."""
    files, texts, encoded = (
        damaged_files(seed, target.files, whole),
        damaged_bodies(seed, target),
        encoded_bodies(seed, target),
    )
    while True:
        for _ in range(_CYCLE - 3):
            yield picture_form(next(files), target.fields)
        yield EncodedBody(next(texts), {"Content-Type": "application/json"})
        yield from islice(encoded, 2)


def classify(reply: httpx.Response) -> str:
    """Return the status and, for a refusal, its type; beginning with ``wrong`` for any other reply."""
    try:
        body = reply.json()
    except ValueError:
        return f"{_WRONG}{reply.status_code} is not JSON"
    if reply.status_code == 200 and (isinstance(body, list) or body.keys() & ANSWER_KEYS):
        return "200"
    if 400 <= reply.status_code < 500 and isinstance(body, dict) and body.keys() - {"error"} == ERROR_KEYS:
        return f"{reply.status_code} {body['type']}"
    return f"{_WRONG}{reply.status_code} {body.get('type') if isinstance(body, dict) else body}"


def _send(client: Client, model: str, case: EncodedBody) -> httpx.Response:
    url = f"{client.addresses.inference}/predictions/{model}"
    return client.http.post(url, headers={**client.header("inference"), **case.headers}, content=case.content)


def _parts(cases: int) -> list[int]:
    """Return the number of requests in each tenth."""
    ends = [part * cases // _PARTS for part in range(_PARTS + 1)]
    return [end - start for start, end in pairwise(ends)]


def _ready_workers(client: Client, model: str) -> set[tuple[int, str]]:
    """Return pid and start time of each ready worker."""
    return {(worker.pid, worker.started) for worker in client.workers(model) if worker.status == "READY"}


def _settled_bytes(client: Client, model: str, small: EncodedBody, seconds: float) -> int:
    """Return the resident memory of the workers with their decoding processes, after small requests."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        _send(client, model, small)
    workers = [psutil.Process(worker.pid) for worker in client.workers(model)]
    return sum(process.memory_info().rss for worker in workers for process in (worker, *worker.children()))
