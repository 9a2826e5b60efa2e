"""LitServe: one process for HTTP, two workers, batches through queues between them.

As in https://lightning.ai/docs/litserve/features/batching; a form comes to ``decode_request`` as Starlette parsed it.
The fast queue (ZeroMQ) is for the largest loads, says its documentation, and is off by default.
"""

# No `from __future__ import annotations`: LitServe looks at the class in an annotation and does not take its name.
from typing import Any

import litserve
from fastapi import Request

from loadtest.peers.inference import Form, Road
from loadtest.peers.worker_settings import DELAY_MS, WORKERS, Told


class Api(litserve.LitAPI):
    def setup(self, device: str) -> None:
        del device
        self.road = Road.load(Told.read())

    def decode_request(self, request: Request) -> Form:
        given: Any = request  # the form, in spite of the annotation that LitServe wants for one
        return Form(given["image"].file.read(), given["question"], int(given["top_k"]))

    def batch(self, inputs: list[Form]) -> list[Form]:
        return inputs

    def predict(self, x: list[Form]) -> list[dict[str, Any]]:
        return self.road(x)

    def unbatch(self, output: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return output

    def encode_response(self, output: dict[str, Any]) -> dict[str, Any]:
        return output


if __name__ == "__main__":
    told = Told.read()
    api = Api(max_batch_size=told.batch, batch_timeout=DELAY_MS / 1000, api_path=told.path)
    server = litserve.LitServer(api, accelerator="cpu", workers_per_device=WORKERS)
    server.run(host="127.0.0.1", port=told.port, log_level="warning", generate_client_file=False)
