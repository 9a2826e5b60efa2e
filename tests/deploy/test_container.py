"""The Dockerfile: what a linter and the manifests for Kubernetes say about it."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
import typer
import yaml

from scripts import serve
from tests.support.manifests import KUBERNETES, pod_spec
from vqaops.gateway.settings import GatewaySettings
from vqaops.paths import DEPLOY, ROOT

DOCKERFILE = DEPLOY / "docker" / "Dockerfile"


def instructions() -> list[tuple[str, str]]:
    """Each instruction with its words, continued lines joined."""
    lines = [line for line in DOCKERFILE.read_text().splitlines() if not line.startswith("#")]
    joined = "\n".join(lines).replace("\\\n", " ")
    return [(word, rest.strip()) for word, _, rest in (line.partition(" ") for line in joined.splitlines() if line)]


def only(word: str) -> str:
    (found,) = [rest for one, rest in instructions() if one == word]
    return found


def server() -> dict:
    """The pod of the base overlay."""
    return pod_spec(yaml.safe_load((KUBERNETES / "base" / "deployment.yaml").read_text()))


def test_the_dockerfile_passes_hadolint():
    hadolint = Path(sys.executable).with_name("hadolint")
    if not hadolint.exists():
        pytest.skip("hadolint is not installed: make install")
    done = subprocess.run([hadolint, str(DOCKERFILE)], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_what_is_copied_exists():
    for word, rest in instructions():
        if word == "COPY":
            *sources, _ = [part for part in rest.split() if not part.startswith("--")]
            assert all((ROOT / source).exists() for source in sources), rest


def test_the_command_and_its_files_exist():
    script, word, *options = json.loads(only("CMD"))
    assert (ROOT / script).is_file()
    typer.main.get_command(serve.app).commands[word].make_context(word, list(options)).close()
    config, gateway = (
        next(one.partition("=")[2] for one in options if one.startswith(f"--{name}=")) for name in ("config", "gateway")
    )
    assert (ROOT / config).is_file()
    port = GatewaySettings.read(ROOT / gateway).listen[0].rpartition(":")[2]
    assert only("EXPOSE").split()[0] == port
    assert (ROOT / json.loads(only("HEALTHCHECK").partition(" CMD ")[2])[1]).is_file()


def test_a_pod_has_the_images_user_folders_and_command():
    pod = server()
    (container,) = pod["containers"]
    context = pod["securityContext"]
    assert only("USER") == f"{context['runAsUser']}:{context['runAsGroup']}"
    assert json.loads(only("VOLUME"))[0] in {one["mountPath"] for one in container["volumeMounts"]}
    (link,) = re.findall(r"ln -s (\S+) run", DOCKERFILE.read_text())
    properties = (KUBERNETES / "base" / "config.properties").read_text()
    assert f"management_address=unix:{link}/management.sock" in properties
    command = json.loads(only("CMD"))
    options = [[one.partition("=")[0] for one in words] for words in (command, container["args"])]
    assert options[0] == options[1]
    assert command[3] == container["args"][3] == "--store=/models"
