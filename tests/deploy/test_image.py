"""The Dockerfile, really built, and its command, really started: `make image`. Needs root and some minutes."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import signal
import subprocess
import time

import psutil
import pytest

from tests.support.images import PROGRAMS, Container, running
from vqaops.paths import DEPLOY, MODEL_STORE, RECIPES, ROOT

pytestmark = pytest.mark.image
IMAGE = "localhost/vqaserve:tested"
READY_SECONDS = 300


@pytest.fixture(scope="module")
def image() -> str:
    """The image, with the archives of the model store; VQASERVE_BUILD holds more options of `buildah build`."""
    if missing := [program for program in PROGRAMS if not shutil.which(program)]:
        pytest.skip(f"not installed: {', '.join(missing)}")
    if os.geteuid():
        pytest.skip("needs root")
    if not list(MODEL_STORE.glob("shapes-*.mar")):
        pytest.skip("the model store has no archive of shapes: scripts/build_mar.py recipes/shapes")
    options = shlex.split(os.environ.get("VQASERVE_BUILD", ""))
    done = subprocess.run([DEPLOY / "docker" / "build.sh", IMAGE, *options], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    return IMAGE


def test_the_images_command_serves_without_root_on_a_read_only_file_system(
    image: str, capsys: pytest.CaptureFixture[str]
):
    url = "https://127.0.0.1:8443"
    with running(image) as container:
        while not is_ready(container, url):
            assert container.process.is_running(), "the command ended"
            assert time.monotonic() < container.began + READY_SECONDS, "it is not ready"
            time.sleep(0.2)
        seconds = time.monotonic() - container.began
        assert container.process.uids().real == 1000
        container.run(*container.config["Healthcheck"]["Test"][1:])
        key = container.run("python", "scripts/keys.py", "add", "tests").splitlines()[-1]
        sample = RECIPES / "shapes" / "samples" / "blue-circle.jpg"
        form = ["-F", f"image=@{sample}", "-F", "question=what shape is it?"]
        header = ["-H", f"Authorization: Bearer {key}"]
        assert json.loads(container.curl(f"{url}/predictions/shapes", *header, *form))["answer"] == "circle"

        packages = json.loads(container.run("cat", "sbom.cdx.json"))
        names = {one["name"] for one in packages["components"]}
        assert packages["bomFormat"] == "CycloneDX"
        assert {"torch", "torchserve", "httpx"} <= names
        assert "nginx" in container.run("cat", "debian-packages.txt")

        began = time.monotonic()
        container.process.send_signal(signal.SIGTERM)
        psutil.wait_procs([container.process], timeout=120)
        assert not container.process.is_running()
    with capsys.disabled():
        print(f"\nready after {seconds:.0f} s, ended {time.monotonic() - began:.0f} s after SIGTERM")  # noqa: T201


def is_ready(container: Container, url: str) -> bool:
    try:
        return bool(json.loads(container.curl("--max-time", "5", f"{url}/v2/health/ready"))["ready"])
    except AssertionError:  # nothing listens yet
        return False
