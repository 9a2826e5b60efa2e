"""Servers that stand in for machines, and gateways in front of them, all on loopback."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil
import yaml

from loadtest.bench.measured_server import java_process
from loadtest.fleet.cpu_limit import cpu_limit
from loadtest.process_usage import cpu_seconds
from vqaops.errors import ServerError
from vqaops.gateway.api_keys import ApiKeys
from vqaops.gateway.balancing import Balance
from vqaops.gateway.certificate import Certificate
from vqaops.gateway.nginx import Gateway
from vqaops.rollout.request_counts import REQUESTS, metric_samples
from vqaops.server.own_server import own_server, wait_for_all_workers
from vqaops.server.ports import free_ports
from vqaops.server.server import Server
from vqaops.store.archive import Archive

NO_LIMITS = {"requests_per_minute": 6_000_000, "burst": 10_000, "connections": 1_000}
_CACHE = "vqa_cache_requests_total"


@dataclass(frozen=True, slots=True)
class Counts:
    """What a machine has done since its start.

    Attributes:
        requests: Answered requests.
        recalled: Pictures whose features its cache had.
        computed: Pictures whose features it computed.
        cpu: CPU seconds of TorchServe, its workers and the machine's gateway.
    """

    requests: float
    recalled: float
    computed: float
    cpu: float

    def __sub__(self, earlier: Counts) -> Counts:
        return Counts(
            self.requests - earlier.requests,
            self.recalled - earlier.recalled,
            self.computed - earlier.computed,
            self.cpu - earlier.cpu,
        )


@dataclass(frozen=True, slots=True)
class Machine:
    """A TorchServe and its gateway, as each machine has them.

    Attributes:
        server: The TorchServe.
        gateway: Its gateway.
    """

    server: Server
    gateway: Gateway

    def counts(self) -> Counts:
        """Read the counters."""
        found = {REQUESTS: 0.0, "hit": 0.0, "miss": 0.0}
        for sample in metric_samples(self.server.client):
            if sample.name == REQUESTS:
                found[REQUESTS] += sample.value
            elif sample.name == _CACHE and sample.labels["cache"] == "features":
                found[sample.labels["result"]] += sample.value
        cpu = cpu_seconds(java_process(self.server)).total + cpu_seconds(nginx_of(self.gateway)).total
        return Counts(found[REQUESTS], found["hit"], found["miss"], cpu)


class Fleet:
    """Machines on loopback, and gateways in front of them; all share one folder of keys and one certificate.

    Args:
        folder: For all files, with a path short enough for unix sockets.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._certificate = Certificate(folder / "certificate.pem", folder / "key.pem")
        self._certificate.create_self_signed()
        self.key = ApiKeys(folder / "keys").add("loadtest")
        self.header_file = folder / "auth.header"
        self.header_file.write_text(f"Authorization: Bearer {self.key}\n", encoding="utf-8")
        self.machines: list[Machine] = []

    @contextmanager
    def serving(self, archive: Archive, count: int, cores: float) -> Iterator[None]:
        """Add machines, each limited to so many cores once it is ready; 0 does not limit them."""
        with ExitStack() as stack:
            for number in range(1, count + 1):
                name = f"machine-{number}"
                group = stack.enter_context(cpu_limit(cores, name)) if cores else None
                server = stack.enter_context(own_server([archive], self._folder / name))
                wait_for_all_workers(server, [archive])
                gateway = stack.enter_context(self._gateway(Gateway, name, server.run))
                if group:
                    group.add(java_process(server))
                    group.add(nginx_of(gateway))
                self.machines.append(Machine(server, gateway))
            yield

    @contextmanager
    def front(self, name: str, kind: type[Gateway], balance: Balance, machines: int = 0) -> Iterator[Gateway]:
        """Yield a gateway in front of the first machines, by default of all; `plain_address` has no TLS."""
        upstreams = {
            "upstreams": [one.gateway.url for one in self.machines[: machines or None]],
            "upstream_name": "localhost",
            "upstream_ca": str(self._certificate.chain),
            "balance": balance,
        }
        with self._gateway(kind, name, self._folder / name, **upstreams) as gateway:
            yield gateway

    @contextmanager
    def _gateway(self, kind: type[Gateway], name: str, run: Path, **settings: object) -> Iterator[Gateway]:
        config = self._folder / f"{name}.yaml"
        tls, plain = (f"127.0.0.1:{port}" for port in free_ports(2))
        files = {
            "certificate": str(self._certificate.chain),
            "certificate_key": str(self._certificate.key),
            "keys": str(self._folder / "keys"),
        }
        listen = {"listen": [tls], "listen_http": [plain]}
        config.write_text(yaml.safe_dump({**listen, **files, **NO_LIMITS, **settings}), encoding="utf-8")
        gateway = kind(run, config, self._folder / f"{name}-gateway")
        gateway.start()
        try:
            yield gateway
        finally:
            gateway.stop()


def plain_address(gateway: Gateway) -> str:
    """A gateway's address without TLS."""
    return f"http://{gateway.settings.listen_http[0]}"


def nginx_of(gateway: Gateway) -> psutil.Process:
    """A running gateway's first process.

    Raises:
        ServerError: It has ended.
    """
    if process := gateway.process():
        return process
    raise ServerError(f"nginx ended; see {gateway.folder}/logs/error.log")


class RoundRobin(Gateway):
    """The gateway with nginx's default, which takes one machine after the other; no setting offers that."""

    def check(self) -> Path:
        """Render the configuration without the choice of the least busy machine."""
        new = super().check()
        new.write_text(new.read_text(encoding="utf-8").replace("least_conn;", ""), encoding="utf-8")
        return new
