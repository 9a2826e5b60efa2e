"""The bar of streams: how long the first text is on its way from the model to the client.

The client sends the time of its request. The worker's metric ``vqa_first_text_seconds`` is the time from there until it
had the first text, and client and worker have the same clock. The rest until the text's arrival is the delay.
"""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Mapping
from http.client import HTTPConnection
from pathlib import Path
from statistics import median, quantiles
from typing import Any
from urllib.parse import urlsplit

from prometheus_client.parser import text_string_to_metric_families

from loadtest.bench.recipe_archives import current_archive
from loadtest.chat.bars import Bar
from loadtest.chat.served import as_jpeg
from loadtest.chat.smolvlm import NAME
from loadtest.chat.talk import square_pictures
from vqaops.server.own_server import own_server
from vqaops.server.server import Server
from vqaserve.metrics import FIRST_TEXT_SECONDS

REQUESTS = 20
"""In a round."""
_TOKENS = 4
_COUNTED_SECONDS = 60


def measure_stream(recipe: Path, output: Path, rounds: int) -> Bar:
    """Measure the delay of first texts, one request at a time.

    Args:
        recipe: The recipe that the server serves.
        output: Folder of the archive and of the server's files.
        rounds: Each has ``REQUESTS`` requests with different questions.
    """
    archive = current_archive(recipe, output / "store")
    picture = base64.b64encode(as_jpeg(square_pictures(1)[0])).decode()
    with own_server([archive], output / "stream-server") as server:
        client = _StreamClient(server, archive.version, picture)
        client.delay("warm-up")
        delays = [client.delay(f"question {number}") for number in range(rounds * REQUESTS)]
    last = quantiles(delays, n=20)[-1]
    detail = f"stream: {len(delays)} first texts, median {median(delays):.1f} ms, 95 % within {last:.1f} ms"
    return Bar("stream: first text on its way to the client, ms", median(delays), "<= 10", detail)


class _StreamClient:
    """Asks for streams on one connection."""

    def __init__(self, server: Server, version: str, picture: str) -> None:
        self._server = server
        self._path = f"/predictions/{NAME}/{version}/v1/chat/completions"
        self._picture = picture
        self._connection = HTTPConnection(urlsplit(server.properties["inference_address"]).netloc)

    def delay(self, question: str) -> float:
        """Milliseconds between a first text in the worker and in the client."""
        before = self._first_texts()
        started, arrived = self._ask(question)
        deadline = time.monotonic() + _COUNTED_SECONDS
        while (after := self._first_texts())["count"] == before["count"]:  # TorchServe counts after the reply
            if time.monotonic() > deadline:
                raise RuntimeError(f"the server did not count a first text within {_COUNTED_SECONDS} s")
            time.sleep(0.05)
        return 1000 * (arrived - started - (after["sum"] - before["sum"]))

    def _ask(self, question: str) -> tuple[float, float]:
        """Unix times of the request and of its first text."""
        url = {"url": f"data:image/jpeg;base64,{self._picture}"}
        parts: list[dict[str, Any]] = [{"type": "image_url", "image_url": url}, {"type": "text", "text": question}]
        asked = {"messages": [{"role": "user", "content": parts}], "stream": True, "max_tokens": _TOKENS}
        body, started = json.dumps(asked).encode(), time.time()
        headers = {"Content-Type": "application/json", "X-Request-Start": f"t={started:.6f}"}
        self._connection.request("POST", self._path, body, {**headers, **self._server.client.header("inference")})
        with self._connection.getresponse() as reply:
            first = reply.read1()
            arrived = time.time()
            if b'"content":"' not in first:
                raise RuntimeError(f"no text came first, but {first!r:.200}")
            reply.read()
        return started, arrived

    def _first_texts(self) -> Mapping[str, float]:
        """Number and sum of the first texts that the server has counted."""
        client, address = self._server.client, self._server.properties["metrics_address"]
        text = client.http.get(f"{address}/metrics", headers=client.header("inference")).text
        samples = {
            sample.name.removeprefix(f"{FIRST_TEXT_SECONDS.name}_"): sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
            if sample.name.startswith(FIRST_TEXT_SECONDS.name)
        }
        return {"count": samples.get("count", 0.0), "sum": samples.get("sum", 0.0)}
