"""What the gateway costs: nginx's CPU time for each request, and latency beside TorchServe asked directly.

A gateway of its own is started before the running server, with limits that are not met, and ended again. The ways take
turns, so that a busy machine is as busy for each. The picture is always the same: nginx reads none.
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
import psutil
import typer
import yaml
from rich.console import Console
from rich.progress import track
from rich.table import Table

from vqaops.console import refuse
from vqaops.errors import ServerError
from vqaops.gateway.nginx import Gateway
from vqaops.gateway.routes import Route
from vqaops.paths import ROOT
from vqaops.questions import read_samples
from vqaops.server.ports import free_ports
from vqaops.server.server import Server


@dataclass
class Way:
    """One way to the model, and what its rounds add up to."""

    name: str
    client: httpx.Client
    prepare: Callable[[], None]
    nginx_seconds: float = 0.0
    server_seconds: float = 0.0
    latencies: list[float] = field(default_factory=list)

    def row(self) -> list[str]:
        count = len(self.latencies)
        p50, p95 = (1000 * np.percentile(self.latencies, share) for share in (50, 95))
        nginx, server = (1000 * seconds / count for seconds in (self.nginx_seconds, self.server_seconds))
        return [self.name, str(count), f"{nginx:.2f}", f"{server:.2f}", f"{p50:.1f}", f"{p95:.1f}"]


def main(
    model: Annotated[str, typer.Argument(help="A recipe that the running server serves.")] = "shapes",
    version: Annotated[str | None, typer.Option(help="Also as a canary and as a shadow: a registered version.")] = None,
    rounds: Annotated[int, typer.Option(help="Times that each way takes its turn.")] = 5,
    requests: Annotated[int, typer.Option(help="Requests in a round.")] = 400,
    connections: Annotated[int, typer.Option(help="Kept open, each asking as soon as it is answered.")] = 8,
    run: Annotated[Path, typer.Option(help="The server's folder.")] = ROOT / "run",
) -> None:
    """Measure what nginx adds to each request of the running server (make serve).

    Example: loadtest/gateway_cost.py shapes --version 1.0.0
    """
    server = Server(run.resolve())
    with tempfile.TemporaryDirectory(prefix="vqa-") as temporary:
        config = Path(temporary) / "gateway.yaml"
        limits = {"requests_per_minute": 6_000_000, "burst": 10_000, "connections": 1_000}
        config.write_text(yaml.safe_dump({"listen": [f"127.0.0.1:{free_ports(1)[0]}"], **limits}))
        gateway = Gateway(server.run, config, Path(temporary) / "gateway")
        try:
            gateway.start()
            with server.client.http as direct, _client_of(gateway) as through:
                ways = _ways(server, gateway, direct, through, model, version)
                _measure(ways, server, gateway, model, rounds, requests, connections)
        except ServerError as error:
            refuse("gateway", error)
        finally:
            gateway.stop()
    table = Table("", "requests", "nginx CPU ms", "server CPU ms", "p50 ms", "p95 ms")
    for way in ways:
        table.add_row(*way.row())
    Console().print(table)


def _client_of(gateway: Gateway) -> httpx.Client:
    context = ssl.create_default_context(cafile=str(gateway.certificate.chain))
    header = {"Authorization": f"Bearer {gateway.keys.add('bench')}"}
    return httpx.Client(base_url=gateway.url, verify=context, headers=header, timeout=60, trust_env=False)


def _ways(
    server: Server, gateway: Gateway, direct: httpx.Client, through: httpx.Client, model: str, version: str | None
) -> list[Way]:
    direct.base_url = httpx.URL(server.client.addresses.inference)
    direct.headers.update(server.client.header("inference"))
    ways = [
        Way("TorchServe directly", direct, lambda: None),
        Way("through the gateway", through, lambda: gateway.routes.set(model, None)),
    ]
    if version:
        canary, shadow = Route(version, 1.0, "canary"), Route(version, 1.0, "shadow")
        ways.append(Way(f"canary, all to {version}", through, lambda: gateway.routes.set(model, canary)))
        ways.append(Way(f"shadow, all to {version} too", through, lambda: gateway.routes.set(model, shadow)))
    return ways


def _measure(
    ways: list[Way], server: Server, gateway: Gateway, model: str, rounds: int, requests: int, connections: int
) -> None:
    recipe = ROOT / "recipes" / model
    sample = read_samples(recipe)[0]
    picture, form = sample.read_image(), {"question": sample.text}
    nginx, torchserve = gateway.process(), server.process()
    assert nginx
    assert torchserve

    def ask(client: httpx.Client) -> float:
        began = time.perf_counter()
        reply = client.post(f"/predictions/{model}", data=form, files={"image": picture})
        if reply.status_code != 200:
            raise ServerError(f"{reply.url} answered {reply.status_code}: {reply.text}")
        return time.perf_counter() - began

    with ThreadPoolExecutor(connections) as pool:
        for number in track(range(rounds + 1), "asking"):
            for way in ways:
                way.prepare()
                before = _cpu(nginx), _cpu(torchserve)
                latencies = list(pool.map(ask, [way.client] * requests))
                if number:  # the first round warms up
                    way.latencies += latencies
                    way.nginx_seconds += _cpu(nginx) - before[0]
                    way.server_seconds += _cpu(torchserve) - before[1]


def _cpu(process: psutil.Process) -> float:
    """User and system seconds of a process and everything below it."""
    times = [one.cpu_times() for one in (process, *process.children(recursive=True))]
    return sum(one.user + one.system for one in times)


if __name__ == "__main__":
    typer.run(main)
