"""The limits of a key; other keys are not affected."""

from __future__ import annotations

import socket
from collections.abc import Callable
from contextlib import ExitStack

from tests.support.gateways import ANSWER, RunningGateway, answer_of, ask, check_error


def test_a_key_over_its_rate_gets_429_with_retry_after_and_another_key_does_not(
    new_outer_gateway: Callable[..., RunningGateway],
):
    outer = new_outer_gateway(requests_per_minute=2, burst=1)
    with outer.client() as busy, outer.client(key=outer.nginx.keys.add("other")) as other:
        assert [ask(busy).status_code for _ in range(2)] == [200, 200]
        reply = ask(busy)
        assert check_error(reply, 429) == "TooManyRequestsException"
        assert reply.headers["retry-after"] == "30"
        assert answer_of(ask(other)) == ANSWER


def test_idle_and_slow_clients_do_not_block_others(gateway: RunningGateway):
    head = f"POST /predictions/dummy HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {gateway.key}\r\n".encode()
    with ExitStack() as stack:
        for number in range(120):
            plain = stack.enter_context(socket.create_connection(("127.0.0.1", gateway.port), timeout=60))
            if number % 3:
                slow = stack.enter_context(gateway.tls().wrap_socket(plain, server_hostname="localhost"))
                slow.sendall(head if number % 3 == 1 else head + b"Content-Length: 9\r\n\r\nhalf")
        with gateway.client(key=gateway.nginx.keys.add("steady")) as steady:
            assert [answer_of(ask(steady)) for _ in range(5)] == [ANSWER] * 5
    gateway.nginx.keys.revoke("steady")


def test_a_key_over_its_number_of_connections_gets_429(new_outer_gateway: Callable[..., RunningGateway]):
    outer = new_outer_gateway(connections=1)
    head = (
        f"POST /predictions/dummy HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {outer.key}\r\n"
        "Content-Length: 1\r\nExpect: 100-continue\r\n\r\n"
    )
    with (
        socket.create_connection(("127.0.0.1", outer.port), timeout=60) as plain,
        outer.tls().wrap_socket(plain, server_hostname="localhost") as slow,
        outer.client() as client,
    ):
        slow.sendall(head.encode())
        assert slow.recv(100).startswith(b"HTTP/1.1 100")  # it waits for the body, and counts
        assert check_error(ask(client), 429) == "TooManyRequestsException"
