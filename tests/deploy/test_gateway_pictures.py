"""Several machines: a picture goes to the one that has seen it. The machines are stubs that answer with their name."""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx
import numpy as np
import pytest

from tests.support.gateways import RunningGateway
from tests.support.pictures import as_base64

MACHINES = 3


class Machine(ThreadingHTTPServer):
    """Answers with its port; while ``gate`` is closed it keeps the requests."""

    daemon_threads = True

    def __init__(self) -> None:
        self.gate = threading.Event()
        self.gate.set()
        super().__init__(("127.0.0.1", 0), _Handler)
        threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True).start()

    @property
    def port(self) -> int:
        return int(self.server_address[1])


class _Handler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.server.gate.wait(20)
        answer = str(self.server.port).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def machines() -> Iterator[list[Machine]]:
    made = [Machine() for _ in range(MACHINES)]
    yield made
    for one in made:
        one.gate.set()
        one.shutdown()
        one.server_close()


@pytest.fixture(scope="module")
def client(machines: list[Machine], new_gateway: Callable[..., RunningGateway]) -> Iterator[httpx.Client]:
    upstreams = [f"http://127.0.0.1:{one.port}" for one in machines]
    gateway = new_gateway(upstreams=upstreams, balance="pictures", connections=100, upstream_connections=4)
    with gateway.client() as client:
        yield client
    gateway.nginx.stop()


def pictures(count: int, size: int = 4000) -> list[bytes]:
    generator = np.random.default_rng(0)
    return [b"\xff\xd8\xff\xe0" + generator.bytes(size + index) for index in range(count)]


def form(client: httpx.Client, picture: bytes, question: str = "what?") -> str:
    return client.post("/predictions/m", data={"question": question}, files={"image": picture}).raise_for_status().text


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


@pytest.mark.parametrize(("asked", "most"), [(10, 4), (24, 12)])
def test_one_picture_that_everyone_asks_about_makes_no_machine_hot(
    client: httpx.Client, machines: list[Machine], asked: int, most: int
):
    (picture,) = pictures(1)
    for one in machines:
        one.gate.clear()
    with ThreadPoolExecutor(asked) as pool:
        waiting = [pool.submit(form, client, picture) for _ in range(asked)]
        threading.Timer(1, lambda: [one.gate.set() for one in machines]).start()
        counts = Counter(one.result() for one in waiting)
    assert set(counts) == {str(one.port) for one in machines}
    assert max(counts.values()) <= most


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
