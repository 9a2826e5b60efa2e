"""Which requests the gateway sends to a second machine. The machines are stubs that count their requests."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import httpx
import pytest

from tests.support.gateways import RunningGateway, check_error
from tests.support.machines import Machine
from vqaops.gateway.routes import Route


@pytest.fixture
def machines() -> Iterator[list[Machine]]:
    made = [Machine() for _ in range(2)]
    yield made
    for one in made:
        one.gate.set()
        one.shutdown()
        one.server_close()


@pytest.fixture
def hasty(machines: list[Machine], new_gateway: Callable[..., RunningGateway]) -> Iterator[RunningGateway]:
    """A gateway that waits one second for an answer."""
    gateway = new_gateway(upstreams=[f"http://127.0.0.1:{one.port}" for one in machines], answer_seconds=1)
    yield gateway
    gateway.nginx.stop()


@pytest.fixture
def silent_port() -> Iterator[int]:
    """A port that neither accepts nor refuses a connection, as that of a machine without power."""
    with ExitStack() as stack:
        full = stack.enter_context(socket.socket())
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        for _ in range(4):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(full.getsockname())
        yield full.getsockname()[1]


def ask(client: httpx.Client) -> httpx.Response:
    return client.post("/predictions/m", content=b"\xff\xd8\xff\xe0", headers={"Content-Type": "image/jpeg"})


def test_an_answer_that_takes_too_long_is_computed_once(hasty: RunningGateway, machines: list[Machine]):
    for one in machines:
        one.gate.clear()
    with hasty.client() as client:
        check_error(ask(client), 504)
    assert [path for one in machines for path in one.asked] == ["/predictions/m"]


def test_a_canary_that_takes_too_long_is_asked_once_and_then_the_default_version(
    hasty: RunningGateway, machines: list[Machine]
):
    hasty.nginx.routes.set("m", Route("2.0.0", 1.0, "canary"))
    for one in machines:
        one.gate.clear()
    with hasty.client() as client:
        check_error(ask(client), 504)
    assert sorted(path for one in machines for path in one.asked) == ["/predictions/m", "/predictions/m/2.0.0"]


@pytest.mark.parametrize("seconds", [1, 60])
def test_a_machine_that_does_not_accept_a_connection_fails_no_request(
    machines: list[Machine], silent_port: int, new_gateway: Callable[..., RunningGateway], seconds: int
):
    upstreams = [f"http://127.0.0.1:{port}" for port in (silent_port, machines[0].port)]
    gateway = new_gateway(upstreams=upstreams, answer_seconds=seconds)
    with gateway.client() as client:
        assert [ask(client).status_code for _ in range(3)] == [200] * 3
    gateway.nginx.stop()
