"""mosec: HTTP and batching in Rust, with two Python workers behind unix sockets.

As in https://mosecorg.github.io/mosec/examples/ (custom ``deserialize``). A worker gets the body without the headers,
and mosec reads JSON, msgpack and raw bytes only. The form is therefore parsed here with python-multipart, and its
boundary is taken from the body's first line.
"""

from __future__ import annotations

import os
from io import BytesIO
from typing import Any

from mosec import Runtime, Server, Worker
from python_multipart import parse_form
from python_multipart.multipart import Field, File

from loadtest.peers.peer_model import PeerModel, PeerRequest
from loadtest.peers.peer_settings import DELAY_MS, WORKERS, PeerSettings

TIMEOUT_MS = 60_000
"""How long a request may take, as in the recipes; mosec's own 3 s are over on a busy machine with a large model."""


class MosecWorker(Worker):
    def __init__(self) -> None:
        super().__init__()
        self.model = PeerModel.load(PeerSettings.from_environment())

    def deserialize(self, data: bytes) -> PeerRequest:
        parts: dict[bytes | None, bytes] = {}

        def on_field(field: Field) -> None:
            parts[field.field_name] = field.value or b""

        def on_file(file: File) -> None:
            file.file_object.seek(0)
            parts[file.field_name] = file.file_object.read()

        boundary = data[2 : data.index(b"\r\n")]
        content_type = b"multipart/form-data; boundary=" + boundary
        parse_form({"Content-Type": content_type}, BytesIO(data), on_field, on_file)
        return PeerRequest(parts[b"image"], parts[b"question"].decode(), int(parts[b"top_k"]))

    def forward(self, data: list[PeerRequest]) -> list[dict[str, Any]]:
        return self.model.answer(data)


if __name__ == "__main__":
    settings = PeerSettings.from_environment()
    os.environ |= {"MOSEC_ADDRESS": "127.0.0.1", "MOSEC_PORT": str(settings.port), "MOSEC_LOG_LEVEL": "warning"}
    os.environ["MOSEC_TIMEOUT"] = str(TIMEOUT_MS)
    server = Server()
    runtime = Runtime(MosecWorker, num=WORKERS, max_batch_size=settings.batch, max_wait_time=DELAY_MS)
    server.register_runtime({settings.path: [runtime]})
    server.run()
