"""BentoML: a service that batches in two workers, and another before it that takes the form.

As in https://docs.bentoml.com/en/latest/get-started/adaptive-batching.html: a batching API takes one list and nothing
beside it, so its documentation puts a service before it that takes the parameters and hands on one item. The largest
latency is of a whole batch here, waiting included; it says no delay.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import bentoml
from pydantic import BaseModel

from loadtest.peers import inference
from loadtest.peers.worker_settings import WORKERS, Told

told = Told.read()
LATENCY_MS = 10_000  # a request that would be later is refused
QUIET: Any = {"access": {"enabled": False}}  # two lines a request otherwise; the other peers write none


class Item(BaseModel):
    image: bytes
    question: str
    top_k: int


@bentoml.service(workers=WORKERS, logging=QUIET)
class Answering:
    def __init__(self) -> None:
        self.road = inference.Road.load(told)

    @bentoml.api(batchable=True, max_batch_size=told.batch, max_latency_ms=LATENCY_MS)
    def answer(self, items: list[Item]) -> list[dict[str, Any]]:
        return self.road([inference.Form(item.image, item.question, item.top_k) for item in items])


@bentoml.service(logging=QUIET)
class Front:
    answering = bentoml.depends(Answering)

    @bentoml.api(route=told.path)
    async def predict(self, image: Path, question: str, top_k: int) -> dict[str, Any]:
        item = Item(image=image.read_bytes(), question=question, top_k=top_k)
        replies: list[dict[str, Any]] = await self.answering.to_async.answer([item])
        return replies[0]


if __name__ == "__main__":
    options = ["--host", "127.0.0.1", "--port", str(told.port)]
    os.execv(sys.executable, [sys.executable, "-m", "bentoml", "serve", "loadtest.peers.on_bentoml:Front", *options])
