"""`make serve` and `make stop` run as commands, each test with its own folder, store and ports."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from tests.support.archives import pack
from tests.support.recipes import RecipeMaker
from tests.support.servers import BRIEF
from vqaops.paths import CONFIG, ROOT
from vqaops.server.ports import own_ports
from vqaops.server.server import Server
from vqaops.store.archive import Archive


@dataclass
class Command:
    """``scripts/serve.py`` with its own folder."""

    folder: Path
    recipe: Path

    def __call__(self, word: str, sockets: bool = False, **environment: str) -> subprocess.CompletedProcess[str]:
        started = word == "start"
        rest = (
            [str(self.recipe), "--config", str(self.config), "--store", str(self.folder / "store")] if started else []
        )
        return subprocess.run(
            [sys.executable, str(ROOT / "scripts" / "serve.py"), word, *rest, "--run", str(self.folder / "run")]
            + ["--sockets"] * sockets,
            cwd=self.folder,
            env={**os.environ, **environment},
            capture_output=True,
            text=True,
            timeout=180,
        )

    @property
    def config(self) -> Path:
        return self.folder / "config.properties"

    def pack(self) -> Archive:
        """Build the archive, which the next start then finds."""
        return pack(self.recipe, self.folder / "store")

    def set(self, **properties: str) -> None:
        given = CONFIG.read_text() + "\n"
        self.config.write_text(given + "".join(f"{key}={value}\n" for key, value in {**BRIEF, **properties}.items()))


@pytest.fixture
def serve_command(run_folder: Callable[[], Path], make_recipe: RecipeMaker) -> Iterator[Command]:
    command = Command(run_folder(), make_recipe())
    command.set(**own_ports())
    yield command
    server = Server(command.folder / "run")
    server.stop(at_once=True)
    server.client.http.close()


def test_start_answers_shows_a_curl_that_works_and_how_to_stop(serve_command: Command):
    started = serve_command("start", PATH="/usr/bin:/bin", JAVA_HOME="")
    assert started.returncode == 0, started.stderr
    assert "4x3 #ff0000: what?" in started.stdout
    assert "50.0%" in started.stdout
    assert "make stop" in started.stdout
    curl = next(line for line in started.stdout.splitlines() if line.startswith("curl "))
    reply = subprocess.run(["bash", "-c", f"{curl} -s"], cwd=serve_command.folder, capture_output=True, text=True)
    assert json.loads(reply.stdout)["answer"] == "4x3 #ff0000: what?"

    again = serve_command("start")
    assert again.returncode == 0, again.stderr
    assert "already running" in again.stdout
    pid = json.loads((serve_command.folder / "run" / "pid.json").read_text())["pid"]
    stopped = serve_command("stop")
    assert stopped.stdout.strip() == "stopped"
    assert not psutil.pid_exists(pid)
    assert serve_command("stop").stdout.strip() == "no server was running"


def test_a_newer_recipe_is_built_and_served_instead(serve_command: Command):
    serve_command.pack()
    assert serve_command("start").returncode == 0
    config = serve_command.recipe / "model-config.yaml"
    config.write_text(config.read_text().replace("1.0.0", "1.1.0"))
    again = serve_command("start")
    assert again.returncode == 0, again.stderr
    assert "stopping it first" in again.stdout
    assert "dummy-1.1.0.mar" in again.stdout


def test_an_archive_built_by_hand_is_noticed_and_what_was_served_beside_it_stays(
    serve_command: Command, make_recipe: RecipeMaker
):
    serve_command.pack()
    assert serve_command("start").returncode == 0
    other = Command(serve_command.folder, make_recipe(name="other"))
    other.pack()
    both = other("start")
    assert both.returncode == 0, both.stderr
    assert "stopping it first" in both.stdout
    again = serve_command("start")
    assert again.returncode == 0, again.stderr
    assert "already running" in again.stdout
    (other.recipe / "README.md").write_text("another card")
    pack(other.recipe, serve_command.folder / "store", replace=True)
    anew = serve_command("start")
    assert anew.returncode == 0, anew.stderr
    assert "the running server serves other archives" in anew.stdout
    assert "other 1.0.0: 1 of 1 workers ready" in anew.stdout


def one_line(done: subprocess.CompletedProcess[str]) -> str:
    assert done.returncode == 1
    lines = done.stderr.strip().splitlines()
    assert len(lines) == 1
    return lines[0]


def test_a_busy_port_is_one_clear_line_and_a_non_zero_exit(serve_command: Command):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        serve_command.set(**{**own_ports(), "inference_address": f"http://127.0.0.1:{port}"})
        assert f"port {port} (inference_address) is taken by another program" in one_line(serve_command("start"))


def test_a_half_built_archive_is_one_clear_line_and_a_non_zero_exit(serve_command: Command):
    store = serve_command.folder / "store"
    store.mkdir()
    (store / "dummy-1.0.0.mar").write_bytes(b"PK\x03\x04 half")
    line = one_line(serve_command("start"))
    assert "dummy-1.0.0.mar is not a complete archive" in line
    assert "delete it and build it again" in line


def test_an_archive_that_is_not_the_listed_one_is_one_clear_line_and_a_non_zero_exit(serve_command: Command):
    archive = serve_command.pack()
    with zipfile.ZipFile(archive.path, "a") as mar:
        mar.writestr("sitecustomize.py", "print('somebody else was here')")
    assert "dummy-1.0.0.mar is not what was built: its sha256 is" in one_line(serve_command("start"))


def test_a_recipe_with_an_unknown_key_is_one_clear_line_and_a_non_zero_exit(serve_command: Command):
    with (serve_command.recipe / "model-config.yaml").open("a") as config:
        config.write("  thread: 2\n")
    assert "unknown key 'handler.thread'" in one_line(serve_command("start"))


def test_a_running_server_without_its_key_file_is_one_clear_line_and_a_non_zero_exit(serve_command: Command):
    serve_command.pack()
    assert serve_command("start").returncode == 0
    (serve_command.folder / "run" / "key_file.json").unlink()
    assert "key_file.json is missing" in one_line(serve_command("start"))


def test_on_sockets_nothing_listens_on_ports_but_metrics_and_grpc_and_what_was_left_by_a_killed_server_is_no_hindrance(
    serve_command: Command,
):
    serve_command.pack()
    first = serve_command("start", sockets=True)
    assert first.returncode == 0, first.stderr
    curl = next(line for line in first.stdout.splitlines() if line.startswith("curl "))
    reply = subprocess.run(["bash", "-c", f"{curl} -s"], cwd=serve_command.folder, capture_output=True, text=True)
    assert json.loads(reply.stdout)["answer"] == "4x3 #ff0000: what?"

    run = serve_command.folder / "run"
    assert {path.name for path in run.glob("*.sock")} == {"inference.sock", "management.sock"}
    process = psutil.Process(json.loads((run / "pid.json").read_text())["pid"])
    connections = getattr(process, "net_connections", None) or process.connections  # the name changed in psutil 6
    listening = [one for one in connections("inet") if one.status == psutil.CONN_LISTEN]
    assert len(listening) == 3
    client = Server(run).client  # finds the sockets by itself
    with client.http:
        assert client.workers("dummy")[0].status == "READY"

    process.kill()
    process.wait(30)
    again = serve_command("start", sockets=True)
    assert again.returncode == 0, again.stderr
