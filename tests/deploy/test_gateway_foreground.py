"""``serve.py foreground`` as the process of a container: archives of a store, TorchServe and the gateway in front."""

from __future__ import annotations

import json
import signal
import ssl
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import psutil
import pytest
import yaml

from tests.support.archives import pack
from tests.support.gateways import answer_of, ask
from tests.support.pictures import as_base64, encoded
from tests.support.recipes import RecipeMaker
from tests.support.waiting import until
from vqaops.errors import ServerError
from vqaops.gateway.nginx import Gateway
from vqaops.gateway.rendering import javascript_module
from vqaops.paths import CONFIG, ROOT
from vqaops.server.ports import free_ports, own_ports
from vqaops.server.server import Server

PATIENCE = 180


@pytest.fixture
def store(make_recipe: RecipeMaker, run_folder: Callable[[], Path]) -> Path:
    """A model store that cannot be written, with versions 1.9.0 and 1.10.0 of ``dummy``."""
    folder = run_folder() / "store"
    for version in ("1.9.0", "1.10.0"):
        recipe = make_recipe()
        config = recipe / "model-config.yaml"
        config.write_text(config.read_text().replace("1.0.0", version))
        pack(recipe, folder)
    folder.chmod(0o555)
    return folder


@pytest.fixture
def gateway(run_folder: Callable[[], Path]) -> Gateway:
    """A gateway that is not started, with a folder of keys of its own."""
    try:
        javascript_module()
    except ServerError as error:
        pytest.skip(f"{error}")
    folder = run_folder()
    config = folder / "gateway.yaml"
    config.write_text(yaml.safe_dump({"listen": [f"127.0.0.1:{free_ports(1)[0]}"], "keys": str(folder / "keys")}))
    return Gateway(folder / "run", config)


@pytest.fixture
def start(store: Path, gateway: Gateway, tmp_path: Path) -> Iterator[Callable[[], subprocess.Popen[str]]]:
    """Starts the command and returns once it serves; whatever is left of it is ended."""
    config = tmp_path / "config.properties"
    ports = {
        name: value for name, value in own_ports().items() if name not in ("inference_address", "management_address")
    }
    config.write_text(CONFIG.read_text() + "".join(f"\n{name}={value}" for name, value in ports.items()))
    paths = {"--config": config, "--run": gateway.run, "--store": store, "--gateway": gateway.config}
    options = [str(word) for pair in paths.items() for word in pair]
    started: list[subprocess.Popen[str]] = []

    def run() -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, str(ROOT / "scripts" / "serve.py"), "foreground", "--sockets", *options],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        assert process.stdout is not None
        assert any("serving until SIGTERM" in line for line in process.stdout), process.communicate()[1]
        return process

    yield run
    for process in started:
        process.kill()
        process.communicate()
    gateway.stop()
    Server(gateway.run).stop(at_once=True)


KSERVE = """
import asyncio, base64, json, sys

import httpx
import numpy as np
from kserve import InferenceRESTClient, InferInput, InferRequest, RESTConfig
from kserve.protocol.rest.v2_datamodels import ModelMetadataResponse, ServerMetadataResponse

url, key, authority, picture = json.loads(sys.stdin.read())
headers = {"Authorization": f"Bearer {key}"}


async def main():
    v1, v2 = [InferenceRESTClient(RESTConfig(protocol=one, retries=0, verify=authority)) for one in ("v1", "v2")]
    instances = {"instances": [{"image": {"b64": picture}, "question": "q"}]}
    said = await v1.infer(url, instances, model_name="dummy", headers=headers)
    yield said["predictions"][0]["answer"]
    image = InferInput("image", [1], "BYTES")
    image.set_data_from_numpy(np.array([base64.b64decode(picture)], dtype=object), binary_data=True)
    question = InferInput("question", [1], "BYTES", ["q"])
    said = await v2.infer(url, InferRequest("dummy", [image, question]), model_name="dummy", headers=headers)
    yield said.outputs[0].as_numpy().tolist()[0][0]
    yield await v1.is_server_live(url)
    yield await v2.is_server_live(url)
    yield await v2.is_server_ready(url)
    for client in (v1, v2):
        yield await client.is_model_ready(url, "dummy", headers=headers)
    with httpx.Client(base_url=url, verify=authority, headers=headers) as http:  # the client has no call for metadata
        yield ServerMetadataResponse.model_validate(http.get("/v2").json()).name
        described = ModelMetadataResponse.model_validate(http.get("/v2/models/dummy").json())
        yield [tensor.name for tensor in described.inputs]


async def collect():
    return [answer async for answer in main()]


print(json.dumps(asyncio.run(collect())))
"""


def kserve_answers(gateway: Gateway, key: str) -> list[object]:
    """What KServe's client is told by both protocols; kserve and tritonclient cannot share a process."""
    given = json.dumps([gateway.url, key, str(gateway.certificate.chain), as_base64(encoded("red"))])
    done = subprocess.run([sys.executable, "-c", KSERVE], input=given, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    answers: list[object] = json.loads(done.stdout.splitlines()[-1])
    return answers


def test_it_serves_the_highest_version_of_a_store_behind_the_gateway_and_ends_with_both(
    start: Callable[[], subprocess.Popen[str]], gateway: Gateway
):
    key = gateway.keys.add("tests")
    process = start()
    tls = ssl.create_default_context(cafile=str(gateway.certificate.chain))
    with httpx.Client(
        base_url=gateway.url, verify=tls, headers={"Authorization": f"Bearer {key}"}, timeout=60, trust_env=False
    ) as client:
        assert ask(client).json()["model"]["version"] == "1.10.0"
        assert ask(client, "/predictions/dummy/1.9.0").json()["model"]["version"] == "1.9.0"
        assert client.get("/v2/health/ready", headers={"Authorization": ""}).json() == {"ready": True}
        log = gateway.folder / "logs" / "access.log"
        until(lambda: "/v2/health/ready" in log.read_text(), "nginx writes the line, after the reply", PATIENCE)
        gateway.rotate_log(limit=0)
        assert "/v2/health/ready" in log.with_suffix(".log.1").read_text()
        assert answer_of(ask(client))
    answer = "4x3 #ff0000: q"
    assert kserve_answers(gateway, key) == [answer, answer, *[True] * 5, "vqaserve", ["image", "question"]]

    process.send_signal(signal.SIGTERM)
    _, errors = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0, errors
    assert gateway.process() is None
    assert Server(gateway.run).process() is None

    process = start()  # what was served before is served again
    nginx = gateway.process()
    assert nginx is not None
    family = [nginx, *nginx.children(recursive=True)]
    for one in family:
        one.kill()
    psutil.wait_procs(family, timeout=PATIENCE)
    _, errors = process.communicate(timeout=PATIENCE)
    assert process.returncode == 1
    assert "the gateway ended by itself" in errors
    assert Server(gateway.run).process() is None
