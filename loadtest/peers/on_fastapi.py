"""FastAPI under uvicorn: two worker processes without batching; each answers one request at a time.

As in https://fastapi.tiangolo.com/deployment/server-workers/ and .../tutorial/request-forms-and-files/; the model is
loaded in the lifespan. The route is ``async`` and computes in the event loop: with one torch thread, the thread pool
of synchronous routes would gain nothing.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any

import uvicorn
from fastapi import FastAPI, File, Form, Request

from loadtest.peers.peer_model import PeerModel, PeerRequest
from loadtest.peers.peer_settings import WORKERS, PeerSettings

settings = PeerSettings.from_environment()


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    app.state.model = PeerModel.load(settings)
    yield


app = FastAPI(lifespan=lifespan)


@app.post(settings.path)
async def predict(
    request: Request, image: Annotated[bytes, File()], question: Annotated[str, Form()], top_k: Annotated[int, Form()]
) -> dict[str, Any]:
    reply: dict[str, Any] = request.app.state.model.answer([PeerRequest(image, question, top_k)])[0]
    return reply


if __name__ == "__main__":
    module = "loadtest.peers.on_fastapi:app"
    uvicorn.run(module, host="127.0.0.1", port=settings.port, workers=WORKERS, log_level="warning")
