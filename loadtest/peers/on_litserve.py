"""LitServe: one HTTP process and two workers, with batches passed through queues.

As in https://lightning.ai/docs/litserve/features/batching; ``decode_request`` gets the form as Starlette parsed it.
The faster ZeroMQ queue is off, as by default: the documentation recommends it for very high loads.
"""

# No `from __future__ import annotations`: LitServe inspects annotations and needs the class, not its name.
from typing import Any

import litserve
from fastapi import Request

from loadtest.peers.peer_model import PeerModel, PeerRequest
from loadtest.peers.peer_settings import DELAY_MS, WORKERS, PeerSettings


class LitServeApi(litserve.LitAPI):
    def setup(self, device: str) -> None:
        del device
        self.model = PeerModel.load(PeerSettings.from_environment())

    def decode_request(self, request: Request) -> PeerRequest:
        form: Any = request  # LitServe requires this annotation and passes the form
        return PeerRequest(form["image"].file.read(), form["question"], int(form["top_k"]))

    def batch(self, inputs: list[PeerRequest]) -> list[PeerRequest]:
        return inputs

    def predict(self, x: list[PeerRequest]) -> list[dict[str, Any]]:
        return self.model.answer(x)

    def unbatch(self, output: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return output

    def encode_response(self, output: dict[str, Any]) -> dict[str, Any]:
        return output


if __name__ == "__main__":
    settings = PeerSettings.from_environment()
    api = LitServeApi(max_batch_size=settings.batch, batch_timeout=DELAY_MS / 1000, api_path=settings.path)
    server = litserve.LitServer(api, accelerator="cpu", workers_per_device=WORKERS)
    server.run(host="127.0.0.1", port=settings.port, log_level="warning", generate_client_file=False)
