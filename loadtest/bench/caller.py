"""A client that costs little: greenlets over geventhttpclient, requests encoded once, replies judged afterwards.

On a small machine the client shares the cores with the server that it measures; threads over httpx take eight times as
much of them.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from geventhttpclient.client import HTTPClient

from loadtest.bench.mixes import Ask

TOP_K = 5
_BOUNDARY = "vqaserve-bench"
_SECONDS = 120.0


class Caller:
    """Sends questions to one model of a running server.

    Args:
        address: Base URL of the inference address; http only.
        key: The inference token.
        model: A model that the server has loaded.
        connections: The most that are open at once; further requests wait for one.
    """

    def __init__(self, address: str, key: str, model: str, connections: int) -> None:
        parts = urlsplit(address)
        assert parts.hostname
        self._path = f"/predictions/{model}"
        self._http: Any = HTTPClient(
            parts.hostname,
            parts.port,
            headers={
                "Authorization": f"Bearer {key}",
                "Content-Type": f"multipart/form-data; boundary={_BOUNDARY}",
            },
            concurrency=connections,
            connection_timeout=_SECONDS,
            network_timeout=_SECONDS,
        )

    def __call__(self, ask: Ask) -> tuple[int, bytes]:
        """Status and body of the reply; status 0 and the reason when there is none."""
        try:
            reply = self._http.request("POST", self._path, body=encode(ask))
            return int(reply.status_code), bytes(reply.read())
        except Exception as error:  # noqa: BLE001 - gevent, sockets and the parser each have their own
            return 0, repr(error).encode()

    def close(self) -> None:
        self._http.close()


def encode(ask: Ask) -> bytes:
    """The form of a request."""
    fields = (("question", ask.pair.question), ("top_k", str(TOP_K)))
    head = "".join(f'--{_BOUNDARY}\r\nContent-Disposition: form-data; name="{n}"\r\n\r\n{v}\r\n' for n, v in fields)
    file = f'--{_BOUNDARY}\r\nContent-Disposition: form-data; name="image"; filename="picture.jpg"\r\n\r\n'
    return b"".join((head.encode(), file.encode(), ask.image, f"\r\n--{_BOUNDARY}--\r\n".encode()))
