"""The Space, published to a hub on loopback and started from there by its own start command."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from huggingface_hub import SpaceCard

from tests.support.pictures import encoded
from tests.support.published import tiny_recipe
from tests.support.spaces import conversation, start_command, unpack
from tests.support.writable_hubs import WRITER, WritableHub
from tests.tiny.modular import ANSWERS
from vqaops.paths import ROOT
from vqaops.publishing.hub import publish
from vqaops.publishing.model import model_publication
from vqaops.publishing.space import space_publication
from vqaops.publishing.target import Target
from vqaops.server.ports import free_ports
from vqaserve.errors import RecipeError

MODEL, SPACE = "somebody/tiny", "somebody/ask"
SECONDS = 240


@pytest.fixture
def space(writable_hub: WritableHub, tmp_path: Path) -> Path:
    """The folder of a Space that was published with a private model."""
    hub = {"endpoint": writable_hub.url, "token": WRITER}
    publish(model_publication(tiny_recipe(tmp_path / "tiny")), Target(MODEL, "Publish", private=True), **hub)
    publish(space_publication({"MODEL_REPO_ID": MODEL, "DEVICE": "cpu"}), Target(SPACE, "Publish"), **hub)
    return unpack(writable_hub.files(SPACE, "space"), tmp_path / "app")


@pytest.fixture
def start(writable_hub: WritableHub, space: Path, tmp_path: Path) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Starts the Space as the Hub does, with its variables and its secret."""
    (tmp_path / "home").mkdir()
    secret = {"HF_TOKEN": WRITER, "HF_ENDPOINT": writable_hub.url}
    own = {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path / "home"),
        **writable_hub.repository(SPACE, "space").variables,
    }
    started: list[subprocess.Popen[str]] = []

    def run(**more: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            start_command(space),
            cwd=space,
            env={**own, **secret, **more},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        started.append(process)
        return process

    yield run
    for process in started:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=60)


def test_the_start_command_serves_the_private_model_and_its_page(
    start: Callable[..., subprocess.Popen[str]], tmp_path: Path
):
    port = free_ports(1)[0]
    process = start(PORT=str(port))
    await_page(process, f"http://127.0.0.1:{port}/")
    picture = tmp_path / "red.png"
    picture.write_bytes(encoded("red", (64, 64)))
    said = conversation(f"http://127.0.0.1:{port}/", picture, "is the wall red?")
    assert "tiny 1.0.0" in said
    assert any(f"<strong>{answer}</strong>" in said for answer in ANSWERS)
    process.send_signal(signal.SIGTERM)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 0, output
    assert WRITER not in output


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({"DEVICE": "gpu"}, "space: --device is 'gpu'; it takes auto, cpu or cuda"),
        ({"HF_TOKEN": ""}, "space: somebody/tiny is not at http://127.0.0.1:"),
    ],
)
def test_a_wrong_variable_is_one_line(
    start: Callable[..., subprocess.Popen[str]], variables: dict[str, str], message: str
):
    process = start(**variables)
    output, _ = process.communicate(timeout=SECONDS)
    assert process.returncode == 1
    assert output.startswith(message)
    assert output.count("\n") == 1


def await_page(process: subprocess.Popen[str], url: str) -> None:
    deadline = time.monotonic() + SECONDS
    while time.monotonic() < deadline:
        assert process.poll() is None, process.communicate()[0]
        try:
            if httpx.get(url, timeout=5).status_code == 200:
                return
        except httpx.TransportError:
            time.sleep(0.2)
    pytest.fail(f"no page at {url}")


def test_the_card_is_a_docker_spaces():
    data = SpaceCard.load(ROOT / "demo" / "README.md").data
    assert (data.sdk, data.app_port, data.license) == ("docker", 7860, "apache-2.0")


def test_a_space_is_a_public_docker_space_with_its_variables(writable_hub: WritableHub):
    publication = space_publication({"MODEL_REPO_ID": MODEL})
    publish(publication, Target(SPACE, "Publish"), endpoint=writable_hub.url, token=WRITER)
    repository = writable_hub.repository(SPACE, "space")
    assert (repository.sdk, repository.private, repository.variables) == ("docker", False, {"MODEL_REPO_ID": MODEL})
    assert not [name for name in publication.files if name.startswith(("run/", "recipes/rooms", "tests/", "."))]


def test_a_card_that_is_no_docker_spaces_is_refused(tmp_path: Path):
    for name, path in space_publication({}).files.items():
        place = {"README.md": "demo/README.md", "Dockerfile": "demo/Dockerfile"}.get(name, name)
        (tmp_path / place).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / place).symlink_to(path)
    card = tmp_path / "demo" / "README.md"
    card.unlink()
    card.write_text("---\nsdk: gradio\n---\n# page\n")
    with pytest.raises(RecipeError, match="must have sdk: docker and app_port"):
        space_publication({}, tmp_path)


def test_the_dockerfile_passes_hadolint():
    hadolint = Path(sys.executable).with_name("hadolint")
    if not hadolint.exists():
        pytest.skip("hadolint is not installed: make install")
    done = subprocess.run([hadolint, str(ROOT / "demo" / "Dockerfile")], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
