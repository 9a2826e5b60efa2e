"""CPU time of nginx per request, and latency through the gateway beside that of TorchServe itself.

The command starts a dedicated gateway, with limits that are not reached, in front of the running server. The targets
are measured in turn, so that noise on the machine affects them alike.
"""

from __future__ import annotations

import ssl
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import httpx
import numpy as np
import typer
import yaml
from rich.progress import track
from rich.table import Table

from loadtest.bench.measured_server import java_process
from loadtest.process_usage import cpu_seconds
from vqaops.console import new_console, one_line_errors
from vqaops.errors import ServerError
from vqaops.gateway.nginx import Gateway
from vqaops.gateway.routes import Route
from vqaops.paths import RECIPES, RUN, resolved
from vqaops.questions import Question, read_samples
from vqaops.server.ports import free_ports
from vqaops.server.server import Server


@dataclass
class GatewayPath:
    """A path of a request to the model, and what was measured on it.

    Attributes:
        name: In the table.
        client: Sends the requests.
        prepare: Sets the gateway's route before each round.
        nginx_seconds: CPU seconds of nginx.
        server_seconds: CPU seconds of TorchServe.
        latencies: Seconds of each request.
    """

    name: str
    client: httpx.Client
    prepare: Callable[[], None]
    nginx_seconds: float = 0.0
    server_seconds: float = 0.0
    latencies: list[float] = field(default_factory=list)

    def row(self) -> list[str]:
        """Return the path's row of the table."""
        count = len(self.latencies)
        p50, p95 = (1000 * np.percentile(self.latencies, percent) for percent in (50, 95))
        nginx, server = (1000 * seconds / count for seconds in (self.nginx_seconds, self.server_seconds))
        return [self.name, str(count), f"{nginx:.2f}", f"{server:.2f}", f"{p50:.1f}", f"{p95:.1f}"]


def main(
    model: Annotated[str, typer.Argument(help="A recipe that the running server has loaded.")] = "shapes",
    version: Annotated[
        str | None, typer.Option(help="A registered version to measure as a canary and as a shadow too.")
    ] = None,
    rounds: Annotated[int, typer.Option(help="How often each path is measured.")] = 5,
    requests: Annotated[int, typer.Option(help="Requests of a measurement.")] = 400,
    connections: Annotated[int, typer.Option(help="Connections; each sends when its last request is answered.")] = 8,
    run: Annotated[Path, typer.Option(help="Folder of the running server.")] = RUN,
) -> None:
    """Measure what nginx adds to each request of the running server (make serve).

    Example: python loadtest/gateway_cost.py shapes --version 1.0.0
    """
    with one_line_errors("gateway_cost"), tempfile.TemporaryDirectory(prefix="vqa-") as temporary:
        server = Server(resolved(run))
        java_process(server)  # refuses before the gateway starts
        sample = read_samples(RECIPES / model)[0]
        config = Path(temporary) / "gateway.yaml"
        limits = {"requests_per_minute": 6_000_000, "burst": 10_000, "connections": 1_000}
        config.write_text(yaml.safe_dump({"listen": [f"127.0.0.1:{free_ports(1)[0]}"], **limits}))
        gateway = Gateway(server.run, config, Path(temporary) / "gateway")
        try:
            gateway.start()
            with server.client.http as direct, _client_of(gateway) as through:
                paths = _paths(server, gateway, direct, through, model, version)
                with ThreadPoolExecutor(connections) as pool:
                    for number in track(range(rounds + 1), "asking"):
                        for path in paths:
                            _measure(path, server, gateway, model, sample, requests, pool)
                            if number == 0:  # the first round is a warm-up
                                path.nginx_seconds, path.server_seconds, path.latencies = 0.0, 0.0, []
        finally:
            gateway.stop()
    table = Table("", "requests", "nginx CPU ms", "server CPU ms", "p50 ms", "p95 ms")
    for path in paths:
        table.add_row(*path.row())
    new_console().print(table)


def _client_of(gateway: Gateway) -> httpx.Client:
    context = ssl.create_default_context(cafile=str(gateway.certificate.chain))
    header = {"Authorization": f"Bearer {gateway.keys.add('bench')}"}
    return httpx.Client(base_url=gateway.url, verify=context, headers=header, timeout=60, trust_env=False)


def _paths(
    server: Server, gateway: Gateway, direct: httpx.Client, through: httpx.Client, model: str, version: str | None
) -> list[GatewayPath]:
    direct.base_url = httpx.URL(server.client.addresses.inference)
    direct.headers.update(server.client.header("inference"))
    paths = [
        GatewayPath("TorchServe itself", direct, lambda: None),
        GatewayPath("through the gateway", through, lambda: gateway.routes.set(model, None)),
    ]
    if version:
        canary, shadow = Route(version, 1.0, "canary"), Route(version, 1.0, "shadow")
        paths.append(GatewayPath(f"canary {version}, 100 %", through, lambda: gateway.routes.set(model, canary)))
        paths.append(GatewayPath(f"shadow {version}, 100 %", through, lambda: gateway.routes.set(model, shadow)))
    return paths


def _measure(
    path: GatewayPath,
    server: Server,
    gateway: Gateway,
    model: str,
    sample: Question,
    requests: int,
    pool: ThreadPoolExecutor,
) -> None:
    """Send the requests and add to the path's figures.

    Raises:
        ServerError: A request is not answered with 200, or nginx or TorchServe does not run.
    """
    picture, form = sample.read_image(), sample.form
    nginx, torchserve = gateway.process(), java_process(server)
    if nginx is None:
        raise ServerError("nginx ended")

    def ask(client: httpx.Client) -> float:
        began = time.perf_counter()
        reply = client.post(f"/predictions/{model}", data=form, files={"image": picture})
        if reply.status_code != 200:
            raise ServerError(f"{reply.url} answered {reply.status_code}: {reply.text}")
        return time.perf_counter() - began

    path.prepare()
    before = cpu_seconds(nginx), cpu_seconds(torchserve)
    path.latencies += pool.map(ask, [path.client] * requests)
    path.nginx_seconds += (cpu_seconds(nginx) - before[0]).total
    path.server_seconds += (cpu_seconds(torchserve) - before[1]).total


if __name__ == "__main__":
    typer.run(main)
