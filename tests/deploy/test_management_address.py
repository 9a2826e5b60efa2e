"""Code that a client with the management token can make TorchServe run.

It refuses what is elsewhere and workflows, and runs a folder that lies on the machine: SECURITY.md says so. The code
that runs here leaves one empty file in the test's own folder, and nothing else.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from tests.support.gateways import RunningGateway, check_error
from vqaops.server.server import Server

ORIGIN = {"createdOn": "01/01/2026 00:00:00", "archiverVersion": "0.12.0"}
START_SECONDS = 180
Register = Callable[[str, str], httpx.Response]


@pytest.fixture
def register(torchserve: Server) -> Iterator[Register]:
    """Asks for a registration with the management token, and undoes it when the test is over."""
    client, asked = torchserve.client, []

    def post(kind: str, query: str) -> httpx.Response:
        address = f"{client.addresses.management}/{kind}"
        asked.append(address)
        return client.http.post(f"{address}?{query}", headers=client.header("management"), timeout=START_SECONDS)

    yield post
    for address in asked:
        client.http.delete(f"{address}/foreign", headers=client.header("management"), timeout=START_SECONDS)


@pytest.fixture
def marker(tmp_path: Path) -> Path:
    """The file that foreign code creates when it runs."""
    return tmp_path / "ran"


@pytest.fixture
def foreign_code(marker: Path) -> str:
    return f"import pathlib\npathlib.Path({str(marker)!r}).touch()\n\n\ndef handle(data, context):\n    return data\n"


@pytest.fixture
def foreign_folder(tmp_path: Path, foreign_code: str) -> Path:
    """The content of a model archive, as a folder outside the model store."""
    folder = tmp_path / "foreign"
    (folder / "MAR-INF").mkdir(parents=True)
    model = {"modelName": "foreign", "modelVersion": "1.0", "handler": "handler.py:handle"}
    (folder / "MAR-INF" / "MANIFEST.json").write_text(json.dumps({**ORIGIN, "runtime": "python", "model": model}))
    (folder / "handler.py").write_text(foreign_code)
    return folder


@pytest.fixture
def foreign_workflow(torchserve: Server, foreign_code: str) -> Iterator[Path]:
    """A workflow archive in the model store, which TorchServe takes for the workflow store by default."""
    state = torchserve.state()
    assert state
    archive = state.store / "foreign.war"
    workflow = {"workflowName": "foreign", "specFile": "spec.yaml", "handler": "handler.py"}
    with zipfile.ZipFile(archive, "w") as war:
        war.writestr("WAR-INF/MANIFEST.json", json.dumps({**ORIGIN, "workflow": workflow}))
        war.writestr("spec.yaml", "models: {min-workers: 1, max-workers: 1}\ndag: {handle: [last]}\n")
        war.writestr("handler.py", f"{foreign_code}\n\nlast = handle\n")
    yield archive
    archive.unlink()


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:9/foreign.mar",
        "https://127.0.0.1:9/foreign.mar",
        "file:///etc/passwd",
        "s3://bucket/foreign.mar",
        "../../foreign.mar",
        "..%2f..%2fforeign.mar",
        "/etc/passwd",
    ],
)
@pytest.mark.parametrize("kind", ["models", "workflows"])
def test_nothing_is_fetched_and_no_file_outside_the_store_is_read(
    torchserve: Server, register: Register, kind: str, url: str
):
    reply = register(kind, f"url={url}&synchronous=true")
    expected = {"models": "ModelNotFoundException", "workflows": "WorkflowNotFoundException"}
    assert (reply.status_code, reply.json()["type"]) == (404, expected[kind])
    client = torchserve.client
    assert client.http.post(f"{client.addresses.management}/{kind}?url={url}").status_code == 400, "without a token"


def test_an_existing_folder_is_registered_wherever_it_is_and_its_code_runs(
    register: Register, foreign_folder: Path, marker: Path
):
    reply = register("models", f"url={foreign_folder}&initial_workers=1&synchronous=true")
    assert reply.status_code == 200, reply.text
    assert marker.exists()


def test_a_workflow_in_the_model_store_is_not_found(register: Register, foreign_workflow: Path, marker: Path):
    for url in (foreign_workflow.name, str(foreign_workflow)):
        reply = register("workflows", f"url={url}")
        assert (reply.status_code, reply.json()["type"]) == (404, "WorkflowNotFoundException")
    assert not marker.exists()


def test_the_gateway_passes_on_neither(
    gateway: RunningGateway, foreign_folder: Path, foreign_workflow: Path, marker: Path
):
    with gateway.client() as client:
        check_error(client.post("/models", params={"url": str(foreign_folder), "initial_workers": 1}), 404)
        check_error(client.post("/workflows", params={"url": foreign_workflow.name}), 404)
    assert not marker.exists()
