"""What a key may ask for, and what others notice of it."""

from __future__ import annotations

import socket
from collections.abc import Callable
from contextlib import ExitStack

from tests.support.gateways import ANSWER, Door, ask, one_answer, refused


def test_over_its_rate_a_key_gets_429_and_when_to_come_back_and_another_key_does_not(
    new_front: Callable[..., Door],
):
    front = new_front(requests_per_minute=2, burst=1)
    with front.client() as greedy, front.client(key=front.gateway.keys.add("patient")) as patient:
        assert [ask(greedy).status_code for _ in range(2)] == [200, 200]
        reply = ask(greedy)
        assert refused(reply, 429) == "TooManyRequestsException"
        assert reply.headers["retry-after"] == "30"
        assert one_answer(ask(patient)) == ANSWER


def test_idle_and_trickling_clients_stop_nobody_else(door: Door):
    head = f"POST /predictions/dummy HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {door.key}\r\n".encode()
    with ExitStack() as stack:
        for number in range(120):
            plain = stack.enter_context(socket.create_connection(("127.0.0.1", door.port), timeout=60))
            if number % 3:
                slow = stack.enter_context(door.tls().wrap_socket(plain, server_hostname="localhost"))
                slow.sendall(head if number % 3 == 1 else head + b"Content-Length: 9\r\n\r\nhalf")
        with door.client(key=door.gateway.keys.add("brisk")) as brisk:
            assert [one_answer(ask(brisk)) for _ in range(5)] == [ANSWER] * 5
    door.gateway.keys.revoke("brisk")


def test_over_its_connections_a_key_gets_429(new_front: Callable[..., Door]):
    front = new_front(connections=1)
    head = (
        f"POST /predictions/dummy HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {front.key}\r\n"
        "Content-Length: 1\r\nExpect: 100-continue\r\n\r\n"
    )
    with (
        socket.create_connection(("127.0.0.1", front.port), timeout=60) as plain,
        front.tls().wrap_socket(plain, server_hostname="localhost") as slow,
        front.client() as client,
    ):
        slow.sendall(head.encode())
        assert slow.recv(100).startswith(b"HTTP/1.1 100")  # it waits for the body, and counts
        assert refused(ask(client), 429) == "TooManyRequestsException"
