"""The deployment that answers: the pipeline of one archive, in place of ``handler/vqa_handler.py``.

Its process runs in the unpacked archive, which is first on the import path, as in TorchServe's workers: ``vqaserve`` is
the archive's own. Whatever crosses the process's border is of built-in types.
"""

from __future__ import annotations

import asyncio
import faulthandler
import socket
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import ray
from ray import serve

from deploy.ray.registry import NAMESPACE, REGISTRY, Sample, plain_sample
from vqaserve.choosing import fit_threads
from vqaserve.logs import safe_id
from vqaserve.memory import Trimmer
from vqaserve.metrics import MetricSample
from vqaserve.pipeline import Pipeline
from vqaserve.settings import ModelConfig
from vqaserve.streams import Part
from vqaserve.types import Model, Reply, Request

_COUNT_SECONDS = 1
"""Samples are sent to the registry no more often."""

Head = tuple[int, str, dict[str, str]]
"""Status, content type and headers of a reply."""


@dataclass(frozen=True, slots=True)
class Call:
    """A request of a batch, and the parts of its reply that are sent while the batch is answered."""

    request: Request
    parts: asyncio.Queue[Part | None] = field(default_factory=asyncio.Queue)


@serve.deployment
class Replica:
    """Answers batches of requests, one batch at a time."""

    def __init__(self, name: str, version: str) -> None:
        """Load the archive in the working directory.

        Raises:
            RecipeError: The archive cannot be served; Ray logs the error and tries again.
        """
        # Computing in the event loop would stop it; torch's number of threads holds for the thread that sets it.
        self._thread = ThreadPoolExecutor(1)
        self._loop = asyncio.get_running_loop()
        self._registry = ray.get_actor(REGISTRY, NAMESPACE)
        self._samples: list[Sample] = []
        self._host = socket.gethostname()
        folder = Path.cwd()
        self._config = ModelConfig.read(folder / "model-config.yaml")
        self._pipeline = self._thread.submit(self._load, folder, Model(name, version)).result()
        self._trimmer = Trimmer()
        self._answer_batch.set_max_batch_size(self._config.batchSize)
        self._answer_batch.set_batch_wait_timeout_s(self._config.maxBatchDelay / 1000)

    async def answer(
        self, id: str, fields: Mapping[str, object], headers: Mapping[str, str], repeated: tuple[str, ...] = ()
    ) -> tuple[Head, bytes]:
        """Answer a request; a reply in parts comes as a whole.

        Args:
            id: A fresh id of the request.
            fields: The body, as bytes under ``body``, and fields of a query string.
            headers: By lower-cased name.
            repeated: Names of fields that occur more than once.
        """
        call = _call(id, fields, headers, repeated)
        reply = await self._answer_batch(call)
        parts = [part for _ in range(call.parts.qsize()) if (part := call.parts.get_nowait())]
        first = parts[0].reply if parts else reply
        return _head(first), b"".join([*(part.reply.body for part in parts), reply.body])

    async def stream(self, *request: Any) -> AsyncIterator[Head | bytes]:
        """As ``answer``, but yield the head of the reply, and then its body in parts as they are written."""
        call = _call(*request)
        answering = asyncio.ensure_future(self._answer_batch(call))
        answering.add_done_callback(lambda _: call.parts.put_nowait(None))
        begun = False
        while part := await call.parts.get():
            if not begun:
                yield _head(part.reply)
            begun = True
            yield part.reply.body
        reply: Reply = await answering
        if not begun:
            yield _head(reply)
        yield reply.body

    async def describe(self) -> bytes:
        """What the model says of itself, in JSON; it takes its turn among the batches."""
        reply = await self._loop.run_in_executor(self._thread, self._pipeline.describe)
        return reply.body

    def __del__(self) -> None:
        """Write what the prediction log still holds in memory."""
        if pipeline := getattr(self, "_pipeline", None):
            pipeline.close()

    @serve.batch
    async def _answer_batch(self, calls: list[Call]) -> list[Reply]:
        size = sum(len(body) for call in calls if isinstance(body := call.request.body, bytes))
        self._give_time()
        try:
            requests = [call.request for call in calls]
            send = partial(self._send, calls)
            replies = await self._loop.run_in_executor(self._thread, self._pipeline.answer, requests, send)
        finally:
            faulthandler.cancel_dump_traceback_later()
        self._thread.submit(self._trimmer.after_batch, size)
        return replies

    def _give_time(self) -> None:
        """End this process in ``responseTimeout``, as TorchServe ends a worker that hangs; Ray starts another one.

        Ray's own health check would wait for three failures, and then for the batch. A thread of C ends the process,
        even if the computation keeps Python's lock, and writes into the log where it hung.
        """
        faulthandler.dump_traceback_later(self._config.responseTimeout, exit=True, file=2)  # stderr

    def _send(self, calls: Sequence[Call], parts: Mapping[int, Part]) -> None:
        """Hand parts to the event loop, from the thread that computes."""
        self._give_time()
        for place, part in parts.items():
            self._loop.call_soon_threadsafe(calls[place].parts.put_nowait, part)

    def _load(self, folder: Path, model: Model) -> Pipeline:
        settings = fit_threads(folder, self._config)
        if settings.device == "auto":
            settings = settings.model_copy(update={"device": "cuda:0" if ray.get_gpu_ids() else "cpu"})
        return Pipeline.load(folder, settings, model, self._emit, self._config.opening_seconds)

    def _emit(self, samples: Iterable[MetricSample]) -> None:
        self._loop.call_soon_threadsafe(self._count, [plain_sample(sample, self._host) for sample in samples])

    def _count(self, samples: Sequence[Sample]) -> None:
        if not self._samples:
            self._loop.call_later(_COUNT_SECONDS, self._send_samples)
        self._samples.extend(samples)

    def _send_samples(self) -> None:
        self._registry.add.remote(self._samples)
        self._samples = []


def _call(id: str, fields: Mapping[str, object], headers: Mapping[str, str], repeated: tuple[str, ...] = ()) -> Call:
    client_id = safe_id(headers.get("x-request-id", ""))
    return Call(Request(id, fields, headers, client_id, repeated))


def _head(reply: Reply) -> Head:
    return int(reply.status), reply.content_type, dict(reply.headers)
