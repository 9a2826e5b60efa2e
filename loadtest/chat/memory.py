"""The memory of a worker's pipeline over many conversations; it must not grow once the caches are full."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from PIL import Image

from loadtest.chat.bars import Bar
from loadtest.chat.served import as_jpeg
from loadtest.pairs import QUESTIONS
from vqaserve.memory import trim
from vqaserve.pipeline import Pipeline
from vqaserve.settings import ModelConfig
from vqaserve.types import Model, Request

_TURNS = 3
_CACHES = {"features_mb": 2, "prefixes_mb": 4, "answers": 200}
"""Small enough to be full after a few conversations."""
_TOLERATED = 10
"""MB; the allocator keeps some."""


def measure_memory(recipe: Path, conversations: int) -> Bar:
    """Growth of this process from the first tenth of the conversations to the last.

    Args:
        recipe: Of a small model: what is kept is bounded by bytes, whatever the size of the model is.
        conversations: Each is about a picture of its own and has three turns in OpenAI's format.
    """
    config = ModelConfig.read(recipe / "model-config.yaml")
    caches = config.handler.cache.model_copy(update=_CACHES)
    settings = config.handler.model_copy(update={"device": "cpu", "cache": caches})
    pipeline = Pipeline.load(recipe, settings, Model("memory", "1.0.0"))
    resident = list(_talk(pipeline, conversations))
    pipeline.close()
    early, late = resident[conversations // 10], resident[-1]
    detail = f"after {conversations // 10} conversations {early:.0f} MB, after {conversations:,} {late:.0f} MB"
    return Bar(f"memory over {conversations:,} conversations: growth in MB", late - early, f"<= {_TOLERATED}", detail)


def _talk(pipeline: Pipeline, conversations: int) -> Iterator[float]:
    """Hold conversations, and yield the resident memory in MB after each."""
    noise = np.random.default_rng(0)
    for number in range(conversations):
        picture = as_jpeg(Image.fromarray(noise.integers(0, 256, (96, 96, 3), dtype=np.uint8)))
        url = f"data:image/jpeg;base64,{base64.b64encode(picture).decode()}"
        shown = [{"type": "image_url", "image_url": {"url": url}}, {"type": "text", "text": QUESTIONS[number % 8]}]
        messages: list[dict[str, Any]] = [{"role": "user", "content": shown}]
        for turn in range(_TURNS):
            said = _ask(pipeline, messages, f"{number}-{turn}")
            messages += [{"role": "assistant", "content": said}, {"role": "user", "content": QUESTIONS[turn]}]
        trim()
        yield psutil.Process().memory_info().rss / 1e6


def _ask(pipeline: Pipeline, messages: list[dict[str, Any]], name: str) -> str:
    body = json.dumps({"model": "memory", "messages": messages, "max_tokens": 8}).encode()
    headers = {"url_path": "v1/chat/completions", "content-type": "application/json"}
    (reply,) = pipeline.answer([Request(name, {"body": bytearray(body)}, headers)])
    content: str = json.loads(reply.body)["choices"][0]["message"]["content"]
    return content
