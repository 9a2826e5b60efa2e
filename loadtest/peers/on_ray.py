"""Ray Serve: a proxy for HTTP, a deployment of two replicas, and Ray's own processes beside them.

As in https://docs.ray.io/en/latest/serve/advanced-guides/dyn-req-batch.html; the form is parsed by Starlette in the
replica. A replica takes five requests at once by default, which would be its largest batch: its documentation says to
raise ``max_ongoing_requests`` with the batch.
"""

from __future__ import annotations

import signal
from typing import Any

import ray
from ray import serve
from ray.serve.schema import LoggingConfig
from starlette.requests import Request

from loadtest.peers.inference import Form, Road
from loadtest.peers.worker_settings import DELAY_MS, WORKERS, Told

told = Told.read()


@serve.deployment(num_replicas=WORKERS, max_ongoing_requests=2 * told.batch, ray_actor_options={"num_cpus": 1})
class Answering:
    def __init__(self) -> None:
        self.road = Road.load(Told.read())

    @serve.batch(max_batch_size=told.batch, batch_wait_timeout_s=DELAY_MS / 1000)
    async def answer(self, forms: list[Form]) -> list[dict[str, Any]]:
        return self.road(forms)

    async def __call__(self, request: Request) -> dict[str, Any]:
        form: Any = await request.form()
        reply: dict[str, Any] = await self.answer(
            Form(await form["image"].read(), form["question"], int(form["top_k"]))
        )
        return reply


if __name__ == "__main__":
    ray.init(num_cpus=WORKERS, include_dashboard=False, _node_ip_address="127.0.0.1", configure_logging=False)
    serve.start(http_options={"host": "127.0.0.1", "port": told.port})
    serve.run(
        Answering.bind(),
        route_prefix=told.path,
        logging_config=LoggingConfig(enable_access_log=False, log_level="WARNING"),
    )
    signal.pause()
