"""mosec: HTTP and batching in Rust, two Python workers behind unix sockets.

As in https://mosecorg.github.io/mosec/examples/ (custom ``deserialize``). A worker gets a request's body and no header,
and mosec knows JSON, msgpack and raw bytes: the form is parsed here with python-multipart, its boundary read from the
body's own first line.
"""

from __future__ import annotations

import os
from io import BytesIO
from typing import Any

from mosec import Runtime, Server, Worker
from python_multipart import parse_form
from python_multipart.multipart import Field, File

from loadtest.peers.inference import Form, Road
from loadtest.peers.worker_settings import DELAY_MS, WORKERS, Told


class Answering(Worker):
    def __init__(self) -> None:
        super().__init__()
        self.road = Road.load(Told.read())

    def deserialize(self, data: bytes) -> Form:
        parts: dict[bytes | None, bytes] = {}

        def on_field(field: Field) -> None:
            parts[field.field_name] = field.value or b""

        def on_file(file: File) -> None:
            file.file_object.seek(0)
            parts[file.field_name] = file.file_object.read()

        boundary = data[2 : data.index(b"\r\n")]
        content_type = b"multipart/form-data; boundary=" + boundary
        parse_form({"Content-Type": content_type}, BytesIO(data), on_field, on_file)
        return Form(parts[b"image"], parts[b"question"].decode(), int(parts[b"top_k"]))

    def forward(self, data: list[Form]) -> list[dict[str, Any]]:
        return self.road(data)


if __name__ == "__main__":
    told = Told.read()
    os.environ |= {"MOSEC_ADDRESS": "127.0.0.1", "MOSEC_PORT": str(told.port), "MOSEC_LOG_LEVEL": "warning"}
    server = Server()
    runtime = Runtime(Answering, num=WORKERS, max_batch_size=told.batch, max_wait_time=DELAY_MS)
    server.register_runtime({told.path: [runtime]})
    server.run()
