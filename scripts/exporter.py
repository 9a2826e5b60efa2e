"""What TorchServe tells only its management address, for Prometheus: workers, queues, tokens; and the GPUs.

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
from rich.console import Console

from vqaops.errors import ServerError
from vqaops.monitoring.exporter import ServerState
from vqaops.paths import ROOT
from vqaops.server.server import Server
from vqaops.server.tokens import renew_due


def main(
    address: Annotated[str, typer.Option(help="Where Prometheus finds it.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="TorchServe's own metrics are on 8082.")] = 8083,
    run: Annotated[Path, typer.Option(help="Folder of the running server.")] = ROOT / "run",
    config: Annotated[Path, typer.Option(help="The properties that it was started with.")] = ROOT / "config.properties",
) -> None:
    """Serve /metrics until it is ended: worker states, queue lengths, token lifetimes, GPUs; and renew the tokens.

    Needs the run folder for the management token, so it runs beside the server; a server that is started anew is found.

    Example: scripts/exporter.py --port 8083
    """
    server = Server(run.resolve(), config)
    client = server.client
    client.http.timeout = httpx.Timeout(5)  # less than Prometheus waits here
    registry = CollectorRegistry()
    registry.register(ServerState(client))
    try:
        start_http_server(port, address, registry)
    except OSError as error:
        raise typer.BadParameter(
            f"cannot listen on {address}:{port} ({error}); choose another one with --port"
        ) from None
    Console(highlight=False, soft_wrap=True).print(f"http://{address}:{port}/metrics  (end it: Ctrl-C)")
    while True:
        with suppress(ServerError):  # of no key file: `vqa_server_up` says so
            renew_due(server)
        time.sleep(5)


if __name__ == "__main__":
    typer.run(main)
