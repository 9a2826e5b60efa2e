"""FastAPI under uvicorn: two worker processes, each answers one request at a time; there is no batching.

As in https://fastapi.tiangolo.com/deployment/server-workers/ and .../tutorial/request-forms-and-files/; the model is
loaded in the lifespan. The route is ``async`` and computes in the loop: a worker of one thread has nothing to gain from
the pool of 40 threads that plain functions run in.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any

import uvicorn
from fastapi import FastAPI, File, Form, Request

from loadtest.peers import inference
from loadtest.peers.worker_settings import WORKERS, Told

told = Told.read()


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    app.state.road = inference.Road.load(told)
    yield


app = FastAPI(lifespan=lifespan)


@app.post(told.path)
async def predict(
    request: Request, image: Annotated[bytes, File()], question: Annotated[str, Form()], top_k: Annotated[int, Form()]
) -> dict[str, Any]:
    reply: dict[str, Any] = request.app.state.road([inference.Form(image, question, top_k)])[0]
    return reply


if __name__ == "__main__":
    uvicorn.run("loadtest.peers.on_fastapi:app", host="127.0.0.1", port=told.port, workers=WORKERS, log_level="warning")
