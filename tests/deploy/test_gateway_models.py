"""Health, readiness and metadata: what clients of the Open Inference Protocol and of KServe v1 ask before they ask."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

import httpx
import pytest

from tests.support.gateways import RunningGateway, check_error
from vqaops.server.server import Server

Scaled = Callable[[str], AbstractContextManager[None]]


@pytest.fixture
def without_worker(torchserve: Server) -> Scaled:
    """Takes the workers from a version of ``dummy`` for a while."""
    management = torchserve.client

    def scale(version: str, workers: int) -> None:
        url = f"{management.addresses.management}/models/dummy/{version}"
        query = {"min_worker": workers, "max_worker": workers, "synchronous": "true"}
        assert management.http.put(url, params=query, headers=management.header("management")).status_code == 200

    @contextmanager
    def scaled(version: str) -> Iterator[None]:
        try:
            scale(version, 0)
            yield
        finally:
            scale(version, 1)

    return scaled


def first_other_than_200(client: httpx.Client, path: str) -> httpx.Response:
    """The first reply that is not 200; the gateway may answer from its cache for a second."""
    deadline = time.monotonic() + 30
    while (reply := client.get(path)).status_code == 200:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    return reply


@pytest.fixture
def stranger(gateway: RunningGateway) -> Iterator[httpx.Client]:
    """A client without a key."""
    with gateway.client() as client:
        del client.headers["Authorization"]
        yield client


def test_live_and_ready_need_no_key_and_say_no_more(stranger: httpx.Client):
    assert stranger.get("/v2/health/live").json() == {"live": True}
    assert stranger.get("/v2/health/ready").json() == {"ready": True}
    assert stranger.get("/").json() == {"status": "alive"}


def test_everything_about_models_needs_a_key(stranger: httpx.Client):
    for path in ("/v2", "/v2/models/dummy", "/v2/models/dummy/ready", "/v1/models", "/v1/models/dummy"):
        check_error(stranger.get(path), 401)


def test_the_servers_metadata_names_it_and_its_extensions(client: httpx.Client):
    server = client.get("/v2").json()
    assert server["name"] == "vqaserve"
    assert server["extensions"] == ["binary_tensor_data"]


def test_a_models_metadata_has_its_versions_and_tensors(client: httpx.Client):
    model = client.get("/v2/models/dummy").json()
    assert model["name"] == "dummy"
    assert sorted(model["versions"]) == ["1.0.0", "2.0.0"]
    assert [(one["name"], one["datatype"]) for one in model["inputs"]] == [("image", "BYTES"), ("question", "BYTES")]
    outputs = [(one["name"], one["datatype"]) for one in model["outputs"]]
    assert outputs == [("answer", "BYTES"), ("score", "FP32"), ("abstained", "BOOL")]
    assert client.get("/v2/models/dummy/versions/2.0.0").json()["versions"] == ["2.0.0"]


def test_the_models_are_listed_as_kserve_v1_does(client: httpx.Client):
    assert client.get("/v1/models").json()["models"] == ["dummy"]
    model = client.get("/v1/models/dummy").json()
    assert (model["name"], model["ready"]) == ("dummy", True)


@pytest.mark.parametrize("version", ["", "/versions/1.0.0", "/versions/2.0.0"])
def test_a_version_with_a_worker_is_ready(client: httpx.Client, version: str):
    assert client.get(f"/v2/models/dummy{version}/ready").json() == {"name": "dummy", "ready": True}


@pytest.mark.parametrize(
    "path",
    [
        "/v2/models/nobody",
        "/v2/models/nobody/ready",
        "/v2/models/nobody/infer",
        "/v2/models/dummy/versions/9.9.9",
        "/v2/models/dummy/versions/9.9.9/ready",
        "/v2/models/dummy/versions/9.9.9/infer",
        "/v1/models/nobody",
        "/v1/models/nobody:predict",
    ],
)
def test_an_unknown_model_or_version_is_404_and_named(client: httpx.Client, path: str):
    method = "POST" if path.endswith(("infer", "predict")) else "GET"
    reply = client.request(method, path, json={"inputs": []} if method == "POST" else None)
    assert check_error(reply, 404) in {"ModelNotFoundException", "ModelVersionNotFoundException"}
    assert "nobody" in reply.text or "9.9.9" in reply.text


def test_a_version_without_a_worker_is_not_ready_but_the_default_is(client: httpx.Client, without_worker: Scaled):
    with without_worker("2.0.0"):
        reply = first_other_than_200(client, "/v2/models/dummy/versions/2.0.0/ready")
        assert check_error(reply, 503) == "ServiceUnavailableException"
        assert "no worker that is ready" in reply.json()["message"]
        assert client.get("/v2/models/dummy/ready").status_code == 200
        assert client.get("/v2/health/ready").status_code == 200
        check_error(client.get("/v2/models/dummy/versions/2.0.0"), 503)
        assert sorted(client.get("/v2/models/dummy").json()["versions"]) == ["1.0.0", "2.0.0"]


def test_a_server_whose_default_version_has_no_worker_is_live_and_not_ready(
    client: httpx.Client, without_worker: Scaled
):
    with without_worker("1.0.0"):
        check_error(first_other_than_200(client, "/v2/models/dummy/ready"), 503)
        check_error(client.get("/v1/models/dummy"), 503)
        assert check_error(client.get("/v2/health/ready"), 503) == "ServiceUnavailableException"
        assert client.get("/v2/health/live").json() == {"live": True}
        assert client.get("/v2/models/dummy/versions/2.0.0/ready").status_code == 200


def test_a_server_that_does_not_answer_is_not_live(torchserve: Server, stranger: httpx.Client):
    process = torchserve.process()
    assert process
    process.suspend()
    try:
        reply = first_other_than_200(stranger, "/v2/health/live")
        assert check_error(reply, 503) == "ServiceUnavailableException"
        assert reply.headers["retry-after"] == "1"
    finally:
        process.resume()


def test_a_gateway_in_front_of_gateways_passes_these_questions_on(new_outer_gateway: Callable[..., RunningGateway]):
    outer = new_outer_gateway()
    with outer.client() as client:
        assert client.get("/v2/health/ready").json() == {"ready": True}
        assert client.get("/v2").json()["name"] == "vqaserve"
        assert client.get("/v1/models").json()["models"] == ["dummy"]
        assert client.get("/v2/models/dummy/ready").json() == {"name": "dummy", "ready": True}
        check_error(client.get("/v2/models/nobody"), 404)


def test_without_a_management_address_these_addresses_do_not_exist(
    torchserve: Server, new_gateway: Callable[..., RunningGateway]
):
    alone = new_gateway(upstreams=[torchserve.properties["inference_address"]])
    with alone.client() as client:
        for path in ("/", "/v2", "/v2/health/ready", "/v2/models/dummy/ready", "/v1/models"):
            check_error(client.get(path), 404)
