"""Ray Serve: an HTTP proxy and a deployment of two replicas, beside Ray's own processes.

As in https://docs.ray.io/en/latest/serve/advanced-guides/dyn-req-batch.html; Starlette parses the form in the replica.
A replica takes five requests at once by default, which would limit its batches to five: the documentation says to raise
``max_ongoing_requests`` with the batch size.
"""

from __future__ import annotations

import signal
from typing import Any

import ray
from ray import serve
from ray.serve.schema import LoggingConfig
from starlette.requests import Request

from loadtest.peers.peer_model import PeerModel, PeerRequest
from loadtest.peers.peer_settings import DELAY_MS, WORKERS, PeerSettings

settings = PeerSettings.from_environment()


@serve.deployment(num_replicas=WORKERS, max_ongoing_requests=2 * settings.batch, ray_actor_options={"num_cpus": 1})
class RayDeployment:
    def __init__(self) -> None:
        self.model = PeerModel.load(PeerSettings.from_environment())

    @serve.batch(max_batch_size=settings.batch, batch_wait_timeout_s=DELAY_MS / 1000)
    async def answer(self, requests: list[PeerRequest]) -> list[dict[str, Any]]:
        return self.model.answer(requests)

    async def __call__(self, request: Request) -> dict[str, Any]:
        form: Any = await request.form()
        asked = PeerRequest(await form["image"].read(), form["question"], int(form["top_k"]))
        reply: dict[str, Any] = await self.answer(asked)
        return reply


if __name__ == "__main__":
    ray.init(num_cpus=WORKERS, include_dashboard=False, _node_ip_address="127.0.0.1", configure_logging=False)
    serve.start(http_options={"host": "127.0.0.1", "port": settings.port})
    deployment: Any = RayDeployment  # the decorator has made it one
    serve.run(
        deployment.bind(),
        route_prefix=settings.path,
        logging_config=LoggingConfig(enable_access_log=False, log_level="WARNING"),
    )
    signal.pause()
