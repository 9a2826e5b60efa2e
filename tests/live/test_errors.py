"""Asks a real server for every row of docs/reference/errors.md; rows and cases must be the same."""

from __future__ import annotations

import gzip
import re
import resource
import signal
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager

import httpx
import psutil
import pytest
from PIL import Image

from tests.support.bombs import jpeg_of_scans, png_chunk
from tests.support.pictures import as_base64, encoded, saved
from tests.support.recipes import RecipeMaker
from vqaops.paths import ROOT
from vqaops.server.client import Client
from vqaops.server.server import Server

PAGE = ROOT / "docs" / "reference" / "errors.md"
QUEUE = 4
SECONDS = 120


def table() -> set[tuple[str, str]]:
    """Return the status (or statuses) and the type of each row in the page's table of the server's errors."""
    pairs = set()
    section = PAGE.read_text(encoding="utf-8").partition("\n## From the server\n")[2].partition("\n## ")[0]
    for line in section.split("\n"):
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if re.fullmatch(r"[45]\d\d(, [45]\d\d)*", cells[0]):
            assert len(cells) == 4, f"a row needs status, type, when, what to do: {line}"
            assert all(cells), line
            types = re.findall(r"`(\w+)`", cells[1]) or [cells[1]]
            pairs |= {(cells[0], kind) for kind in types}
    return pairs


@pytest.fixture(scope="module")
def server(serve: Callable[..., Server], make_recipe: RecipeMaker) -> Server:
    sample = {"image": "red.png", "labels": ["#ff0000", "#00ff00"], "answers": ["#ff0000"]}
    labels = make_recipe("labels", handler="  task: zero_shot_image_classification\n", sample=sample)
    return serve(make_recipe(config=f"jobQueueSize: {QUEUE}\n"), labels)


class Asker:
    """Sends requests to one model."""

    def __init__(self, server: Server) -> None:
        self.client: Client = server.client
        self.base = self.client.addresses.inference

    def ask(self, path: str = "/predictions/dummy", method: str = "POST", **request: object) -> httpx.Response:
        headers = {**self.client.header("inference"), **request.pop("headers", {})}
        return self.client.http.request(method, f"{self.base}{path}", headers=headers, timeout=SECONDS, **request)

    def form(self, image: bytes | None = None, headers: dict[str, str] | None = None, **fields: str) -> httpx.Response:
        file = encoded() if image is None else image
        return self.ask(files={"image": file}, data={"question": "what?", **fields}, headers=headers or {})

    def labels(self, *labels: str) -> httpx.Response:
        return self.ask("/predictions/labels", json={"image": as_base64(encoded()), "labels": labels})

    def new(self) -> httpx.Response:
        """Send a picture that no cache knows."""
        return self.form(saved(Image.effect_noise((64, 64), 90)))

    def raw(self, content: bytes, kind: str, encoding: str = "identity") -> httpx.Response:
        return self.ask(content=content, headers={"content-type": kind, "content-encoding": encoding})

    def worker(self) -> psutil.Process:
        deadline = time.monotonic() + SECONDS
        while time.monotonic() < deadline:
            workers = self.client.workers("dummy")
            if workers and workers[0].status == "READY":
                return psutil.Process(workers[0].pid)
            time.sleep(0.2)
        raise AssertionError("the worker did not come back")

    @contextmanager
    def stopped(self) -> Iterator[psutil.Process]:
        """Suspend the worker, so that requests queue."""
        worker = self.worker()
        worker.suspend()
        try:
            yield worker
        finally:
            if worker.is_running():
                worker.resume()


def part(name: str | None, content: bytes, file: str = "") -> bytes:
    given = ("" if name is None else f'; name="{name}"') + (f'; filename="{file}"' if file else "")
    return f"--b\r\nContent-Disposition: form-data{given}\r\n\r\n".encode() + content + b"\r\n"


MULTIPART = "multipart/form-data; boundary=b"
CUT_OFF = part("question", b"what?") + part("image", encoded(), "a.png")[:-20]
BOMB_HEADER = b"\x89PNG\r\n\x1a\n" + png_chunk(b"IHDR", bytes.fromhex("0000ea600000ea600802000000"))

CASES: dict[tuple[str, str], dict[str, Callable[[Asker], httpx.Response]]] = {
    ("400", "BadRequest"): {
        "not JSON": lambda to: to.raw(b'{"image": ', "application/json"),
        "not UTF-8": lambda to: to.raw('{"question": "größe"}'.encode("latin-1"), "application/json"),
        "form not UTF-8": lambda to: to.raw(part("question", b"gr\xf6\xdfe") + b"--b--\r\n", MULTIPART),
        "unknown field": lambda to: to.ask(json={"image": as_base64(encoded()), "qestion": "what?"}),
        "wrong types": lambda to: to.ask(json={"image": 1, "question": ["what?"]}),
        "a list": lambda to: to.ask(json=[1]),
        "truncated form": lambda to: to.raw(CUT_OFF, MULTIPART),
        "a part without a name": lambda to: to.raw(part(None, b"x") + b"--b--\r\n", MULTIPART),
        "no boundary": lambda to: to.raw(part("question", b"what?"), "multipart/form-data"),
        "an empty boundary": lambda to: to.raw(part("question", b"what?"), "multipart/form-data; boundary="),
        "two values of one name": lambda to: to.ask(files=[("image", encoded()), ("image", encoded("blue"))]),
        "gzip in name only": lambda to: to.raw(b"{}", "application/json", "gzip"),
        "deadline without a start": lambda to: to.form(headers={"X-Timeout-Ms": "5000"}),
    },
    ("400", "BadRequestException"): {"long header": lambda to: to.form(headers={"x-long": "a" * 20_000})},
    ("400", "InvalidKeyException"): {
        "no token": lambda to: to.client.http.post(f"{to.base}/predictions/dummy"),
        "wrong token": lambda to: to.form(headers={"Authorization": "Bearer wrong"}),
    },
    ("404", "ModelNotFoundException"): {"model": lambda to: to.ask("/predictions/nothing")},
    ("404", "ModelVersionNotFoundException"): {"version": lambda to: to.ask("/predictions/dummy/9.9.9")},
    ("404", "ResourceNotFoundException"): {"route": lambda to: to.ask("/nothing")},
    ("404", "NotFound"): {"behind the version": lambda to: to.ask("/predictions/dummy/1.0.0/v1/nothing", json={})},
    ("413", "(no body)"): {"36 MB": lambda to: to.ask(content=b"x" * 35_651_585)},
    ("413", "ContentTooLarge"): {
        "unpacked": lambda to: to.raw(gzip.compress(bytes(30_000_000)), "application/json", "gzip")
    },
    ("415", "UnsupportedMediaType"): {"brotli": lambda to: to.raw(b"x", "application/json", "br")},
    ("422", "MissingImage"): {
        "empty body": lambda to: to.ask(content=b""),
        "GET": lambda to: to.ask(method="GET"),
        "DELETE": lambda to: to.ask(method="DELETE"),
        "no file chosen": lambda to: to.form(b""),
        "no field": lambda to: to.ask(json={"question": "what?"}),
    },
    ("422", "InvalidImage"): {
        "not base64": lambda to: to.ask(json={"image": "%%%", "question": "what?"}),
        "format": lambda to: to.form(encoded("red", (8, 8), "PPM")),
        "damaged": lambda to: to.form(encoded("red", (64, 64), "JPEG")[:200]),
        "bomb": lambda to: to.form(BOMB_HEADER),
        "too many bytes": lambda to: to.form(bytes(8 * 1024 * 1024 + 1)),
        "too slow": lambda to: to.form(jpeg_of_scans(40_000)),
        "URL": lambda to: to.ask(json={"image": "https://example.org/a.png", "question": "what?"}),
    },
    ("422", "InvalidQuestion"): {
        "none": lambda to: to.ask(json={"image": as_base64(encoded())}),
        "empty": lambda to: to.form(question=" "),
        "long": lambda to: to.form(question="x" * 501),
        "many": lambda to: to.ask(json={"image": as_base64(encoded()), "questions": ["what?"] * 33}),
    },
    ("422", "InvalidLabels"): {
        "none": lambda to: to.ask("/predictions/labels", json={"image": as_base64(encoded())}),
        "twice": lambda to: to.labels("a cat", "a cat"),
        "empty": lambda to: to.labels("a cat", ""),
        "many": lambda to: to.labels(*map(str, range(129))),
    },
    ("422", "InvalidParameter"): {
        "top_k": lambda to: to.form(top_k="21"),
        "not for this model": lambda to: to.form(num_beams="2"),
        "not for this task": lambda to: to.form(labels="a cat,a dog"),
    },
    ("500", "InternalError"): {"no more processes": lambda to: without_files(to)},
    ("500, 507", "InternalServerException"): {  # which of them depends on what TorchServe sees first
        "the worker exits": lambda to: while_stopped(to, signal.SIGTERM),
        "the worker is killed": lambda to: while_stopped(to, signal.SIGKILL),
    },
    ("503", "ServiceUnavailableException"): {"full queue": lambda to: with_full_queue(to)},
    ("504", "DeadlineExceeded"): {
        "late": lambda to: to.form(headers={"X-Timeout-Ms": "5000", "X-Request-Start": f"t={time.time() - 6:.3f}"})
    },
    ("507", "OutOfMemory"): {"no memory left": lambda to: without_memory(to)},
}


ELSEWHERE = {("503", "Overloaded")}
"""It takes half of responseTimeout to see; tests/unit/vqaserve/test_pipeline.py checks it."""


def without_files(to: Asker) -> httpx.Response:
    """Kill the decoding process while the worker has no file descriptors left to start another."""
    worker = to.worker()
    assert to.new().status_code == 200
    limits = worker.rlimit(psutil.RLIMIT_NOFILE)
    worker.rlimit(psutil.RLIMIT_NOFILE, (3, limits[1]))
    (decoder,) = worker.children()
    decoder.send_signal(signal.SIGSEGV)
    try:
        return to.new()
    finally:
        worker.rlimit(psutil.RLIMIT_NOFILE, limits)
        assert to.new().status_code == 200


def without_memory(to: Asker) -> httpx.Response:
    worker = to.worker()
    worker.rlimit(psutil.RLIMIT_AS, (worker.memory_info().vms + 2**20, resource.RLIM_INFINITY))
    try:
        return to.form(encoded("white", (3000, 3000)))
    finally:
        worker.rlimit(psutil.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        assert to.new().status_code == 200


def while_stopped(to: Asker, end: signal.Signals) -> httpx.Response:
    """Return the reply to the request that the worker had when it ended; queued requests wait for the next worker."""
    taken, *queued = replies_of_a_suspended_worker(to, lambda replies: pending(to) > 0, end)
    assert {reply.status_code for reply in queued} == {200}
    return taken


def with_full_queue(to: Asker) -> httpx.Response:
    """Return the reply to one request more than the worker and the queue hold."""
    *taken, refused = replies_of_a_suspended_worker(to, lambda replies: any(reply.done() for reply in replies))
    assert {reply.status_code for reply in taken} == {200}
    return refused


def replies_of_a_suspended_worker(
    to: Asker, enough: Callable[[list[Future[httpx.Response]]], bool], end: signal.Signals | None = None
) -> list[httpx.Response]:
    """Send requests to a suspended worker until there are enough; then the worker resumes, or ends."""
    with ThreadPoolExecutor(QUEUE + 8) as pool:
        with to.stopped() as worker:
            waiting: list[Future[httpx.Response]] = []
            deadline = time.monotonic() + SECONDS
            while not enough(waiting) and time.monotonic() < deadline:
                waiting.append(pool.submit(to.form))
                time.sleep(0.3)
            if end:
                worker.send_signal(end)
        return [reply.result(SECONDS) for reply in waiting]


def pending(to: Asker) -> int:
    """Return the number of queued requests; once there is one, the worker has those before it."""
    url = f"{to.client.addresses.management}/models/dummy"
    (described,) = to.client.http.get(url, headers=to.client.header("management")).json()
    return described["jobQueueStatus"]["pendingRequests"]


@pytest.mark.parametrize(
    ("statuses", "kind", "case"), [(*pair, case) for pair, cases in CASES.items() for case in cases]
)
def test_every_row_of_the_table_is_what_the_server_answers(server: Server, statuses: str, kind: str, case: str):
    reply = CASES[statuses, kind][case](Asker(server))
    assert str(reply.status_code) in statuses.split(", ")
    if kind != "(no body)":
        body = reply.json()
        assert {"code", "type", "message"} <= body.keys()
        assert (body["code"], body["type"]) == (reply.status_code, kind)
        assert body["message"]
        assert reply.headers["content-type"].startswith("application/json")


def test_a_request_whose_time_runs_out_in_the_queue_is_not_computed_and_its_neighbours_are(server: Server):
    to = Asker(server)
    start = f"t={time.time():.3f}"
    timeouts = ["1000", "600000", "1000"]
    with ThreadPoolExecutor(len(timeouts)) as pool:
        with to.stopped():
            waiting = [
                pool.submit(to.form, headers={"X-Request-Start": start, "X-Timeout-Ms": timeout})
                for timeout in timeouts
            ]
            time.sleep(1.5)  # the worker is suspended; only the deadlines pass
        replies = [reply.result(SECONDS) for reply in waiting]
    assert [reply.status_code for reply in replies] == [504, 200, 504]
    assert "the request's deadline of 1,000 ms passed" in replies[0].json()["message"]


def test_the_table_and_the_cases_are_the_same():
    assert table() == CASES.keys() | ELSEWHERE
