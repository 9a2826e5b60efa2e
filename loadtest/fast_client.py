"""The client of the benchmarks and the overload test: greenlets over geventhttpclient.

Client and server share the cores of a small machine. This client takes less than a quarter of the CPU time of
threads over httpx. Locust (``users.py``) simulates users with a pace and a state; this client sends as much as it
can.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from geventhttpclient.client import HTTPClient

from loadtest.pairs import PairRequest

TOP_K = 5
_BOUNDARY = "vqaserve-bench"


class FastClient:
    """Sends questions to one model.

    Args:
        address: Base URL of the inference address, http only.
        token: TorchServe's inference token.
        model: The model's name.
        connections: The most connections that are open at once. Further requests wait for a free one.
        timeout: Seconds for opening a connection and for each wait for data.
    """

    def __init__(self, address: str, token: str, model: str, connections: int, timeout: float = 120.0) -> None:
        parts = urlsplit(address)
        assert parts.hostname
        self._path = f"/predictions/{model}"
        self._http: Any = HTTPClient(
            parts.hostname,
            parts.port,
            headers={
                "Authorization": f"Bearer {token}",
                "Content-Type": f"multipart/form-data; boundary={_BOUNDARY}",
            },
            concurrency=connections,
            connection_timeout=timeout,
            network_timeout=timeout,
        )

    def send(self, request: PairRequest) -> tuple[int, bytes]:
        """Return the reply's status and body; without a reply, status 0 and the reason."""
        try:
            reply = self._http.request("POST", self._path, body=encode_form(request))
            return int(reply.status_code), bytes(reply.read())
        except Exception as error:  # noqa: BLE001 - gevent, sockets and the parser each raise their own
            return 0, repr(error).encode()

    def close(self) -> None:
        """Close all connections."""
        self._http.close()


def encode_form(request: PairRequest) -> bytes:
    """Return the request's multipart body; without a question if the pair has none."""
    question = [("question", request.pair.question)] if request.pair.question else []
    fields = (*question, ("top_k", str(TOP_K)))
    head = "".join(f'--{_BOUNDARY}\r\nContent-Disposition: form-data; name="{n}"\r\n\r\n{v}\r\n' for n, v in fields)
    file = f'--{_BOUNDARY}\r\nContent-Disposition: form-data; name="image"; filename="picture.jpg"\r\n\r\n'
    return b"".join((head.encode(), file.encode(), request.image, f"\r\n--{_BOUNDARY}--\r\n".encode()))
