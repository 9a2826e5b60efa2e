"""Fixtures: a real nginx in front of a real TorchServe."""

from __future__ import annotations

import socket
import ssl
import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from http.client import HTTPResponse
from pathlib import Path

import httpx
import pytest
import yaml

from tests.support.pictures import encoded
from tests.support.recipes import RecipeMaker
from vqaops.errors import ServerError
from vqaops.gateway.nginx import Gateway
from vqaops.gateway.rendering import javascript_module
from vqaops.server.ports import free_ports
from vqaops.server.server import Server


@dataclass(frozen=True)
class RunningGateway:
    """A running gateway, and a key for it with the key's name."""

    nginx: Gateway
    key: str
    name: str

    @property
    def url(self) -> str:
        return self.nginx.url

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2])

    @property
    def authority(self) -> Path:
        return self.nginx.certificate.chain

    def tls(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=str(self.authority))

    def client(self, key: str | None = None, **options) -> httpx.Client:
        header = {"Authorization": f"Bearer {self.key if key is None else key}"}
        return httpx.Client(
            base_url=self.url, verify=self.tls(), headers=header, timeout=60, trust_env=False, **options
        )

    def raw(self, request: bytes) -> tuple[int, bytes]:
        """Status and body of the first reply to a request given as bytes, which client libraries would not send."""
        with (
            socket.create_connection(("127.0.0.1", self.port), timeout=60) as plain,
            self.tls().wrap_socket(plain, server_hostname="localhost") as connection,
        ):
            connection.sendall(request)
            with closing(HTTPResponse(connection)) as answer:
                answer.begin()
                return answer.status, answer.read()


def ask(client: httpx.Client, path: str = "/predictions/dummy", question: str = "what?", **request) -> httpx.Response:
    files = {"image": encoded()}
    return client.post(path, data={"question": question}, files=files, **request)


def answer_of(reply: httpx.Response) -> str:
    assert reply.status_code == 200, reply.text
    return reply.json()["answer"]


@pytest.fixture(scope="session")
def torchserve(
    serve_for_session: Callable[..., Server], run_folder: Callable[[], Path], make_recipe: RecipeMaker
) -> Server:
    """TorchServe on unix sockets with two versions of ``dummy``, 1.0.0 the default."""
    sockets = run_folder()
    sockets.chmod(0o700)
    old, new = make_recipe(), make_recipe()
    config = new / "model-config.yaml"
    config.write_text(config.read_text().replace("1.0.0", "2.0.0"))
    addresses = {f"{kind}_address": f"unix:{sockets / kind}.sock" for kind in ("inference", "management")}
    return serve_for_session(old, new, **addresses)


@pytest.fixture(scope="session")
def new_gateway(run_folder: Callable[[], Path]) -> Iterator[Callable[..., RunningGateway]]:
    """Starts gateways on ports of their own, and stops them at the end of the session."""
    try:
        javascript_module()
        subprocess.run(["openssl", "version"], check=True, capture_output=True)
    except (ServerError, FileNotFoundError) as error:
        pytest.skip(f"{error}")
    started: list[Gateway] = []

    def start(run: Path | None = None, own_folder: Path | None = None, **settings: object) -> RunningGateway:
        config = run_folder() / "gateway.yaml"
        given = {"listen": [f"127.0.0.1:{free_ports(1)[0]}"], "requests_per_minute": 60_000, "burst": 1_000}
        config.write_text(yaml.safe_dump({**given, **settings}))
        gateway = Gateway(run or run_folder() / "run", config, own_folder)
        started.append(gateway)
        gateway.start()
        name = f"tests-{gateway.url.rpartition(':')[2]}"
        return RunningGateway(gateway, gateway.keys.add(name), name)

    yield start
    for gateway in started:
        gateway.stop()


@pytest.fixture(scope="session")
def gateway(torchserve: Server, new_gateway: Callable[..., RunningGateway]) -> RunningGateway:
    """The gateway in front of ``torchserve``, with limits that no test reaches."""
    return new_gateway(torchserve.run)


@pytest.fixture(scope="session")
def new_outer_gateway(
    gateway: RunningGateway, new_gateway: Callable[..., RunningGateway]
) -> Callable[..., RunningGateway]:
    """Starts gateways in front of the gateway, as with several machines."""

    def start(*others: str, **settings: object) -> RunningGateway:
        return new_gateway(
            upstreams=[*others, gateway.url],
            upstream_name="localhost",
            upstream_ca=str(gateway.authority),
            keys=str(gateway.nginx.keys.folder),
            **settings,
        )

    return start


@pytest.fixture
def client(gateway: RunningGateway) -> Iterator[httpx.Client]:
    with gateway.client() as client:
        yield client


ANSWER = "4x3 #ff0000: what?"


def check_error(reply: httpx.Response, code: int) -> str:
    """Check an error reply's status and its three keys, and return its type."""
    assert reply.status_code == code, reply.text
    assert reply.headers["content-type"] == "application/json"
    body = reply.json()
    if error := body.pop("error", None):  # OpenAI's shape, beside the three keys
        assert error == {"message": body["message"], "type": body["type"], "code": code, "param": None}
    assert set(body) == {"code", "type", "message"}
    assert body["code"] == code
    return body["type"]
