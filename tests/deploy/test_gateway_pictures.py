"""Several machines: a picture goes to the one that has seen it. The machines are stubs that answer with their name.

They say in a header which path they were asked for, and fail for the version 9.9.9.
"""

from __future__ import annotations

import json
import math
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import numpy as np
import pytest

from tests.support.gateways import RunningGateway
from tests.support.machines import Machine
from tests.support.pictures import as_base64
from vqaops.gateway.routes import Kind, Route

MACHINES = 3
CANARY = "/predictions/m/2.0.0"


@pytest.fixture(scope="module")
def machines() -> Iterator[list[Machine]]:
    made = [Machine() for _ in range(MACHINES)]
    yield made
    for one in made:
        one.gate.set()
        one.shutdown()
        one.server_close()


@pytest.fixture(scope="module")
def balanced(machines: list[Machine], new_gateway: Callable[..., RunningGateway]) -> Iterator[RunningGateway]:
    upstreams = [f"http://127.0.0.1:{one.port}" for one in machines]
    gateway = new_gateway(upstreams=upstreams, balance="pictures", connections=100, upstream_connections=4)
    yield gateway
    gateway.nginx.stop()


@pytest.fixture(scope="module")
def client(balanced: RunningGateway) -> Iterator[httpx.Client]:
    with balanced.client() as client:
        yield client


@pytest.fixture
def route(balanced: RunningGateway) -> Iterator[Callable[..., None]]:
    """Sets the route of ``m``, and removes it after the test."""

    def to(version: str, share: float = 1.0, kind: Kind = "canary") -> None:
        balanced.nginx.routes.set("m", Route(version, share, kind))

    yield to
    balanced.nginx.routes.set("m", None)


def pictures(count: int, size: int = 4000) -> list[bytes]:
    generator = np.random.default_rng(0)
    return [b"\xff\xd8\xff\xe0" + generator.bytes(size + index) for index in range(count)]


def ask(client: httpx.Client, picture: bytes, request_id: str = "") -> tuple[str, str]:
    """Which machine answers, and for which path."""
    headers = {"X-Request-Id": request_id} if request_id else {}
    reply = client.post("/predictions/m", data={"question": "what?"}, files={"image": picture}, headers=headers)
    return reply.raise_for_status().text, reply.headers["X-Asked"]


def form(client: httpx.Client, picture: bytes) -> str:
    return ask(client, picture)[0]


def every_format(client: httpx.Client, picture: bytes) -> set[str]:
    text = as_base64(picture)
    url = {"type": "image_url", "image_url": {"url": f"data:image/jpeg;base64,{text}"}}
    messages = [{"role": "user", "content": [{"type": "text", "text": "and größer?"}, url]}]
    tensor = len(picture).to_bytes(4, "little") + picture
    asked = (5).to_bytes(4, "little") + b"what?"
    sizes = [("question", len(asked)), ("image", len(tensor))]
    head = json.dumps(
        {"inputs": [{"name": name, "parameters": {"binary_data_size": size}} for name, size in sizes]}
    ).encode()
    raw = {"Inference-Header-Content-Length": str(len(head)), "Content-Type": "application/octet-stream"}
    replies = [
        client.post("/predictions/m", content=picture, headers={"Content-Type": "image/jpeg"}),
        client.post("/predictions/m", json={"question": "what?", "image": text}),
        client.post("/v1/models/m:predict", json={"instances": [{"image": {"b64": text}, "question": "x"}]}),
        client.post("/v1/chat/completions", json={"model": "m", "messages": messages}),
        client.post("/v1/chat/completions", json={"model": "m", "messages": messages * 2}),
        client.post("/predictions/m", data={"image": text, "question": "what?"}, files={"other": b"1"}),
        client.post("/v2/models/m/infer", content=head + asked + tensor, headers=raw),
    ]
    return {reply.raise_for_status().text for reply in replies} | {form(client, picture)}


def test_a_picture_goes_to_the_same_machine_in_every_format(client: httpx.Client):
    seen = [every_format(client, picture) for picture in [*pictures(6), *pictures(3, 601_000)]]
    assert [len(one) for one in seen] == [1] * 9
    assert len(set.union(*seen)) > 1


def test_pictures_that_differ_in_their_last_bytes_are_different(client: httpx.Client):
    (picture,) = pictures(1)
    assert len({form(client, picture + bytes([tag]) * 8) for tag in range(12)}) > 1


def asked_at_once(client: httpx.Client, machines: list[Machine], count: int) -> list[tuple[str, str]]:
    """Which machine answered each of many requests for one picture, and for which path."""
    (picture,) = pictures(1)
    for one in machines:
        one.gate.clear()
    with ThreadPoolExecutor(count) as pool:
        waiting = [pool.submit(ask, client, picture) for _ in range(count)]
        threading.Timer(1, lambda: [one.gate.set() for one in machines]).start()
        return [one.result() for one in waiting]


@pytest.mark.parametrize(("asked", "most"), [(10, 4), (24, 12)])
def test_one_picture_that_everyone_asks_about_makes_no_machine_hot(
    client: httpx.Client, machines: list[Machine], asked: int, most: int
):
    counts = Counter(machine for machine, _ in asked_at_once(client, machines, asked))
    assert set(counts) == {str(one.port) for one in machines}
    assert max(counts.values()) <= most


def check_canary(client: httpx.Client, share: float) -> None:
    """The canary gets its share of 400 requests, and each picture is asked about on one machine, whatever version."""
    shown = enumerate(pictures(25))
    asked = [[ask(client, picture, f"{number}-{turn}") for turn in range(16)] for number, picture in shown]
    paths = Counter(path for replies in asked for _, path in replies)
    assert set(paths) == {"/predictions/m", CANARY}
    assert abs(paths[CANARY] - 400 * share) < 4 * math.sqrt(400 * share * (1 - share))
    assert [len({machine for machine, _ in replies}) for replies in asked] == [1] * 25
    assert len({machine for replies in asked for machine, _ in replies}) == MACHINES


def test_a_canary_gets_its_share_while_each_picture_stays_on_its_machine(
    client: httpx.Client, route: Callable[..., None]
):
    route("2.0.0", 0.25)
    check_canary(client, share=0.25)


def test_if_a_canary_fails_the_default_version_answers_on_the_pictures_machine(
    client: httpx.Client, route: Callable[..., None]
):
    before = [ask(client, picture) for picture in pictures(8)]
    route("9.9.9")
    assert [ask(client, picture) for picture in pictures(8)] == before


def test_a_canary_makes_no_machine_hot_and_gives_what_is_too_much_to_the_default_version(
    client: httpx.Client, machines: list[Machine], route: Callable[..., None]
):
    route("2.0.0")
    asked = asked_at_once(client, machines, 20)
    counts = Counter(machine for machine, path in asked if path == CANARY)
    assert counts == {str(one.port): 4 for one in machines}
    assert len(asked) == 20


def test_behind_a_gateway_that_balances_each_machines_gateway_gives_its_canary_the_share(
    machines: list[Machine], new_gateway: Callable[..., RunningGateway], tmp_path: Path
):
    keys = str(tmp_path / "keys")
    inner = [new_gateway(upstreams=[f"http://127.0.0.1:{one.port}"], keys=keys) for one in machines]
    for one in inner:
        one.nginx.routes.set("m", Route("2.0.0", 0.25, "canary"))
    authority = tmp_path / "authority.pem"
    authority.write_text("".join(one.authority.read_text() for one in inner))
    upstreams = {"upstreams": [one.url for one in inner], "upstream_name": "localhost", "upstream_ca": str(authority)}
    with new_gateway(**upstreams, balance="pictures", keys=keys).client() as client:
        check_canary(client, share=0.25)


def test_if_a_machine_is_gone_only_its_pictures_move(client: httpx.Client, machines: list[Machine]):
    shown = pictures(12)
    before = [form(client, picture) for picture in shown]
    gone = before[0]
    (machine,) = (one for one in machines if str(one.port) == gone)
    machine.shutdown()
    machine.server_close()
    after = [form(client, picture) for picture in shown]
    assert gone not in after
    assert [one for one in before if one != gone] == [
        new for new, old in zip(after, before, strict=True) if old != gone
    ]
