"""Two real Ray nodes on loopback: one is killed under load; and replicas that follow the load."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tests.live.rollout.test_autoscale import SLOW
from tests.support.ray_servers import replicas, retrying, serving_with_ray
from tests.support.recipes import RecipeMaker
from tests.support.rollout import asking, rewrite, versioned
from tests.support.waiting import until
from vqaops.building.build import build
from vqaops.server.ports import free_ports

pytestmark = pytest.mark.ray


@contextmanager
def ray_node(folder: Path, *options: str) -> Iterator[subprocess.Popen[bytes]]:
    """A node of its own processes, which all end with the block."""
    words = ["start", "--block", "--node-ip-address", "127.0.0.1", "--temp-dir", str(folder), *options]
    environment = os.environ | {"RAY_AUTH_MODE": "token", "RAY_USAGE_STATS_ENABLED": "0"}
    command = [sys.executable, "-m", "ray.scripts.scripts", *words, "--disable-usage-stats"]
    with (folder / f"node{len(list(folder.glob('node*.log')))}.log").open("wb") as log:
        node = subprocess.Popen(command, env=environment, stdout=log, stderr=log, start_new_session=True)
    try:
        yield node
    finally:
        kill(node)


def kill(node: subprocess.Popen[bytes]) -> None:
    """End all processes of a node at once, as when its machine loses power."""
    if node.poll() is None:
        os.killpg(node.pid, signal.SIGKILL)
        node.wait(30)


def test_a_node_that_is_killed_under_load_loses_nothing_for_a_client_that_retries(
    make_recipe: RecipeMaker, tmp_path: Path
):
    port = free_ports(1)[0]
    archive = build(make_recipe(), tmp_path / "store")
    with ExitStack() as running, pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_AUTH_TOKEN", "0123456789abcdef" * 4)
        nodes = Path(running.enter_context(TemporaryDirectory(prefix="ray-")))  # names of sockets have a limit
        head = ["--head", "--port", str(port), "--num-cpus", "2", "--include-dashboard", "false"]
        running.enter_context(ray_node(nodes, *head))
        second = running.enter_context(ray_node(nodes, "--address", f"127.0.0.1:{port}", "--num-cpus", "2"))
        options = ("--address", f"127.0.0.1:{port}", "--min-replicas", "3", "--max-replicas", "3")
        server = running.enter_context(serving_with_ray(tmp_path / "serve", archive.path, options=options))
        until(lambda: replicas(server) == 3, "three replicas need both nodes")
        with retrying(server, 4) as answers:
            until(lambda: len(answers) > 50, "answers before the node is killed")
            kill(second)
            until(lambda: replicas(server) == 2, "Ray notices that the node is gone")
            before = len(answers)
            until(lambda: len(answers) > before + 50, "answers after that")
        assert set(answers) == {"4x3 #ff0000: what?"}


def test_replicas_follow_the_load(make_recipe: RecipeMaker, tmp_path: Path):
    recipe = versioned(make_recipe, "1.0.0")
    config = recipe / "model-config.yaml"
    config.write_text(config.read_text().replace("batchSize: 8", "batchSize: 1"))
    archive = build(recipe, tmp_path / "store")
    rewrite(archive, "vqaserve/families/dummy.py", SLOW)
    options = ("--cpus", "8", "--min-replicas", "1", "--max-replicas", "4", "--up-seconds", "1", "--down-seconds", "2")
    with serving_with_ray(tmp_path, archive.path, options=options) as server:
        assert replicas(server) == 1
        with asking(server, 8) as traffic:
            until(lambda: replicas(server) == 4, "four replicas under load")
        until(lambda: replicas(server) == 1, "one replica without load")
        with asking(server, 1) as traffic_after:
            traffic_after.wait_for("1.0.0")
    assert traffic.wrong + traffic_after.wrong == []
