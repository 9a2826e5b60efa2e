"""Canaries and shadows: which version gets a request, and what happens when that version fails."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import psutil
import pytest

from tests.support.gateways import RunningGateway, ask, check_error
from tests.support.pictures import as_base64, encoded
from tests.support.waiting import until
from vqaops.errors import ServerError
from vqaops.gateway.nginx import Gateway
from vqaops.gateway.routes import Kind, Route
from vqaops.paths import ROOT
from vqaops.rollout import canary
from vqaops.server.management import Management
from vqaops.server.server import Server

Router = Callable[..., None]


@pytest.fixture
def route(gateway: RunningGateway) -> Iterator[Router]:
    """Sets the route of ``dummy``, and removes it after the test."""

    def to(version: str, share: float = 1.0, kind: Kind = "canary") -> None:
        gateway.nginx.routes.set("dummy", Route(version, share, kind))

    yield to
    gateway.nginx.routes.set("dummy", None)


@pytest.fixture
def dead_new_version(torchserve: Server) -> Iterator[None]:
    """Version 2.0.0 has no worker during the test."""
    client = torchserve.client
    scale = f"{client.addresses.management}/models/dummy/2.0.0?max_worker={{0}}&min_worker={{0}}&synchronous=true"
    assert client.http.put(scale.format(0), headers=client.header("management")).status_code == 200
    yield
    assert client.http.put(scale.format(1), headers=client.header("management")).status_code == 200


@pytest.fixture
def hanging_new_version(torchserve: Server) -> Iterator[psutil.Process]:
    """The worker of 2.0.0, suspended until the test resumes it or ends."""
    version = Management(torchserve.client).version("dummy", "2.0.0")
    worker = psutil.Process(version.workers[0].pid)
    worker.suspend()
    yield worker
    worker.resume()


def version_of(reply: httpx.Response) -> str:
    assert reply.status_code == 200, reply.text
    return reply.json()["model"]["version"]


def versions(client: httpx.Client, count: int, start: int = 0) -> list[str]:
    """The versions that answered requests with different ids, in their order."""
    return [version_of(ask(client, headers={"X-Request-Id": f"r-{n}"})) for n in range(start, start + count)]


def test_a_canary_answers_its_share_and_a_repeated_id_gets_the_same_version(client: httpx.Client, route: Router):
    route("2.0.0", share=0.25)
    first = versions(client, 400)
    counts = Counter(first)
    assert set(counts) == {"1.0.0", "2.0.0"}
    assert abs(counts["2.0.0"] - 100) < 4 * math.sqrt(400 * 0.25 * 0.75)
    assert versions(client, 100) == first[:100]


def test_a_larger_share_includes_the_requests_of_a_smaller_one(client: httpx.Client, route: Router):
    route("2.0.0", share=0.2)
    few = versions(client, 60)
    route("2.0.0", share=0.6)
    many = versions(client, 60)
    assert {n for n, version in enumerate(few) if version == "2.0.0"} < {
        n for n, version in enumerate(many) if version == "2.0.0"
    }


def test_without_a_route_the_default_version_answers(client: httpx.Client, gateway: RunningGateway, route: Router):
    route("2.0.0")
    assert set(versions(client, 5)) == {"2.0.0"}
    gateway.nginx.routes.set("dummy", None)
    assert set(versions(client, 5)) == {"1.0.0"}


def test_a_canary_answers_on_the_kserve_paths_too(client: httpx.Client, route: Router):
    route("2.0.0")
    tensors = [("image", as_base64(encoded())), ("question", "what?")]
    inputs = [{"name": name, "shape": [1], "datatype": "BYTES", "data": [data]} for name, data in tensors]
    reply = client.post("/v2/models/dummy/infer", json={"inputs": inputs}).json()
    assert (reply["model_version"], reply["outputs"][0]["data"][0]) == ("2.0.0", "4x3 #ff0000: what?")
    instance = {"image": {"b64": as_base64(encoded())}, "question": "what?"}
    reply = client.post("/v1/models/dummy:predict", json={"instances": [instance]}).json()
    assert reply["predictions"][0]["answer"] == "4x3 #ff0000: what?"


def test_a_request_that_names_a_version_gets_that_version(client: httpx.Client, route: Router):
    route("2.0.0")
    assert version_of(ask(client, "/predictions/dummy/1.0.0")) == "1.0.0"


@pytest.mark.usefixtures("dead_new_version")
def test_a_canary_without_workers_fails_no_request(client: httpx.Client, route: Router):
    route("2.0.0", share=0.5)
    assert set(versions(client, 40)) == {"1.0.0"}


def test_a_canary_that_is_not_registered_fails_no_request(client: httpx.Client, route: Router):
    route("9.9.9")
    assert set(versions(client, 10)) == {"1.0.0"}


def test_a_canarys_refusal_of_a_bad_request_reaches_the_client(client: httpx.Client, route: Router):
    route("2.0.0")
    reply = client.post("/predictions/dummy", data={"question": "what?"})
    assert check_error(reply, 422) == "MissingImage"


def test_a_request_for_a_canary_counts_once(new_outer_gateway: Callable[..., RunningGateway]):
    outer = new_outer_gateway(requests_per_minute=2, burst=2)
    outer.nginx.routes.set("dummy", Route("9.9.9", 1.0, "canary"))  # asked, refused, and asked again elsewhere
    with outer.client() as client:
        assert [version_of(ask(client)) for _ in range(3)] == ["1.0.0"] * 3
        check_error(ask(client), 429)


def test_a_shadow_gets_a_copy_and_its_answers_are_dropped(client: httpx.Client, route: Router, torchserve: Server):
    route("2.0.0", kind="shadow")
    before = asked_of_the_new(torchserve)
    assert set(versions(client, 20)) == {"1.0.0"}
    until(lambda: asked_of_the_new(torchserve) >= before + 20, "the shadow is asked each time", 30)


@pytest.mark.usefixtures("dead_new_version")
def test_a_shadow_without_workers_fails_no_request(client: httpx.Client, route: Router):
    route("2.0.0", kind="shadow")
    assert set(versions(client, 10)) == {"1.0.0"}


def test_a_hanging_shadow_delays_no_answer_and_still_gets_the_requests(
    client: httpx.Client, route: Router, torchserve: Server, hanging_new_version: psutil.Process
):
    before = answered_by_the_new(torchserve)
    route("2.0.0", kind="shadow")
    client.timeout = httpx.Timeout(10)  # on one connection, which was kept until the shadow had answered, or 60 s
    assert set(versions(client, 5)) == {"1.0.0"}
    hanging_new_version.resume()
    until(lambda: answered_by_the_new(torchserve) >= before + 5, "the shadow answers each time", 60)


@pytest.mark.usefixtures("hanging_new_version")
def test_a_hanging_canary_gets_half_of_the_time_and_a_clients_deadline_still_applies(
    torchserve: Server, new_gateway: Callable[..., RunningGateway], run_folder: Callable[[], Path]
):
    own = new_gateway(torchserve.run, own_folder=run_folder(), answer_seconds=10)
    own.nginx.routes.set("dummy", Route("2.0.0", 1.0, "canary"))
    with own.client() as client, ThreadPoolExecutor(2) as pool:
        other = pool.submit(ask, client)
        hasty = pool.submit(ask, client, headers={"X-Timeout-Ms": "4000"})  # over before the canary's 5 s are
        assert version_of(other.result()) == "1.0.0"
        assert check_error(hasty.result(), 504) == "DeadlineExceeded"


def test_a_canary_survives_a_restart_of_the_gateway(new_outer_gateway: Callable[..., RunningGateway]):
    outer = new_outer_gateway()
    outer.nginx.routes.set("dummy", Route("2.0.0", 1.0, "canary"))
    outer.nginx.stop()
    outer.nginx.start()
    with outer.client() as client:
        assert set(versions(client, 5)) == {"2.0.0"}


def models(gateway: RunningGateway, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(ROOT / "scripts" / "models.py"), *arguments, "--run", str(gateway.nginx.run)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120)


@pytest.mark.usefixtures("route")
def test_the_command_starts_shows_and_ends_a_canary(gateway: RunningGateway, client: httpx.Client, torchserve: Server):
    started = models(gateway, "canary", "dummy", "2.0.0", "--share", "30%")
    assert started.returncode == 0, started.stderr
    assert "30% of dummy's requests are answered by 2.0.0" in started.stdout
    assert 0 < Counter(versions(client, 60))["2.0.0"] < 40
    assert "dummy 2.0.0 is the canary of 0.3" in models(gateway, "list").stdout
    ended = models(gateway, "canary", "dummy", "2.0.0", "--share", "0", "--json")
    assert json.loads(ended.stdout)["share"] == 0
    assert set(versions(client, 20)) == {"1.0.0"}
    noted = [json.loads(line) for line in torchserve.history_file.read_text().splitlines()]
    assert [(one["action"], one["version"]) for one in noted[-2:]] == [("canary", "2.0.0"), ("end canary", "2.0.0")]


def test_removing_a_version_ends_its_own_route_only(run_folder: Callable[[], Path]):
    server = Server(run_folder())
    gateway = Gateway(server.run)
    gateway.folder.mkdir()
    shadow = Route("1.1.0", 1.0, "shadow")
    gateway.routes.set("dummy", Route("2.0.0", 0.5, "canary"))
    gateway.routes.set("other", shadow)
    assert canary.end(server, gateway, "dummy", "1.0.0") is None
    assert canary.end(server, gateway, "dummy", "2.0.0") == Route("2.0.0", 0.5, "canary")
    assert gateway.routes.all() == {"other": shadow}
    assert canary.end(server, gateway, "other") == shadow
    noted = [json.loads(line) for line in server.history_file.read_text().splitlines()]
    assert [(one["action"], one["model"]) for one in noted] == [("end canary", "dummy"), ("end shadow", "other")]


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["dummy", "2.0.0", "--share", "130%"], "give 0% to 100%"),
        (["dummy", "2.0.0", "--share", "0.1"], "as in: --share 10%"),
        (["dummy", "1.0.0", "--share", "10%"], "is already the default"),
        (["dummy", "9.9.9", "--share", "10%"], "9.9.9"),
    ],
)
def test_the_command_refuses_in_one_line(gateway: RunningGateway, arguments: list[str], reason: str):
    done = models(gateway, "canary", *arguments)
    assert done.returncode == 1
    assert reason in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert gateway.nginx.routes.all() == {}


def test_a_canary_needs_a_running_gateway(torchserve: Server, tmp_path: Path):
    with pytest.raises(ServerError, match=r"no gateway runs in .*make gateway"):
        canary.start(torchserve, Gateway(torchserve.run, own_folder=tmp_path), "dummy", Route("2.0.0", 0.1, "canary"))


@pytest.mark.usefixtures("dead_new_version")
def test_a_version_without_a_worker_is_refused_as_a_canary(torchserve: Server, gateway: RunningGateway):
    with pytest.raises(ServerError, match="has no ready worker"):
        canary.start(torchserve, gateway.nginx, "dummy", Route("2.0.0", 0.1, "canary"))


def asked_of_the_new(server: Server, counter: str = "ts_inference_requests_total") -> float:
    """TorchServe's own count of requests to 2.0.0."""
    text = server.client.http.get(f"{server.client.addresses.metrics}/metrics").text
    lines = [line for line in text.splitlines() if line.startswith(counter + "{")]
    return sum(float(line.split()[-1]) for line in lines if 'model_version="2.0.0"' in line)


def answered_by_the_new(server: Server) -> float:
    """The handler's count."""
    return asked_of_the_new(server, "vqa_requests_total")
