"""BentoML: a batching service with two workers, behind a service that reads the form.

As in https://docs.bentoml.com/en/latest/get-started/adaptive-batching.html: a batching API takes a single list, so a
service in front of it takes the parameters and passes on one item. BentoML sets no batch delay; ``max_latency_ms``
limits a whole batch, waiting included.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import bentoml
from pydantic import BaseModel

from loadtest.peers.peer_model import PeerModel, PeerRequest
from loadtest.peers.peer_settings import WORKERS, PeerSettings

settings = PeerSettings.from_environment()
LATENCY_MS = 10_000  # a later request is refused
QUIET: Any = {"access": {"enabled": False}}  # the other peers write no access log either


class BentoItem(BaseModel):
    image: bytes
    question: str
    top_k: int


@bentoml.service(workers=WORKERS, logging=QUIET)
class BentoWorker:
    def __init__(self) -> None:
        self.model = PeerModel.load(settings)

    @bentoml.api(batchable=True, max_batch_size=settings.batch, max_latency_ms=LATENCY_MS)
    def answer(self, items: list[BentoItem]) -> list[dict[str, Any]]:
        return self.model.answer([PeerRequest(item.image, item.question, item.top_k) for item in items])


@bentoml.service(logging=QUIET)
class BentoFront:
    worker = bentoml.depends(BentoWorker)

    @bentoml.api(route=settings.path)
    async def predict(self, image: Path, question: str, top_k: int) -> dict[str, Any]:
        item = BentoItem(image=image.read_bytes(), question=question, top_k=top_k)
        replies: list[dict[str, Any]] = await self.worker.to_async.answer([item])
        return replies[0]


if __name__ == "__main__":
    options = ["--host", "127.0.0.1", "--port", str(settings.port)]
    service = "loadtest.peers.on_bentoml:BentoFront"
    os.execv(sys.executable, [sys.executable, "-m", "bentoml", "serve", service, *options])
