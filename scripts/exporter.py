"""Metrics that TorchServe's metrics address lacks, for Prometheus: worker states, queues, tokens and GPUs.

It runs beside the server all the time, so it also renews the tokens before they expire.
"""

from __future__ import annotations

import time
from contextlib import suppress
from pathlib import Path
from typing import Annotated

import httpx
import typer
from prometheus_client import CollectorRegistry, start_http_server

from vqaops.console import new_console, one_line_errors
from vqaops.errors import ServerError
from vqaops.monitoring.exporter import ServerState
from vqaops.paths import CONFIG, RUN, resolved
from vqaops.server.server import Server
from vqaops.server.tokens import renew_due

SECONDS = 5
"""Between two checks of the tokens; also the timeout of requests to the server, less than Prometheus's 10 s."""


def main(
    address: Annotated[str, typer.Option(help="Address on which Prometheus scrapes it.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535, help="Its port; TorchServe's own metrics are on 8082.")] = 8083,
    run: Annotated[Path, typer.Option(help="Run folder of the server.")] = RUN,
    config: Annotated[Path, typer.Option(help="The properties that it was started with.")] = CONFIG,
) -> None:
    """Serve /metrics until Ctrl-C: worker states, queue lengths, token lifetimes, GPUs; and renew the tokens.

    It reads the management token in the run folder, so it must run beside the server. It finds a restarted server.

    Example: scripts/exporter.py --port 8083
    """
    with one_line_errors("exporter"):
        server = Server(resolved(run), config)
        client = server.client
        client.http.timeout = httpx.Timeout(SECONDS)
        registry = CollectorRegistry()
        registry.register(ServerState(client))
        try:
            start_http_server(port, address, registry)
        except OSError as error:
            raise ServerError(f"cannot listen on {address}:{port} ({error}); choose another port: --port") from None
    new_console().print(f"http://{address}:{port}/metrics  (stop it: Ctrl-C)", markup=False)
    while True:
        with suppress(ServerError):  # without a key file; the metric `vqa_server_up` shows it
            renew_due(server)
        time.sleep(SECONDS)


if __name__ == "__main__":
    typer.run(main)
