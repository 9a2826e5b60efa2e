"""Starting, reloading and stopping the gateway."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.support.gateways import ANSWER, RunningGateway, answer_of, ask
from vqaops.errors import ServerError
from vqaops.gateway.nginx import Gateway
from vqaops.paths import ROOT
from vqaops.server.ports import free_ports
from vqaops.server.server import Server


def test_a_reload_under_traffic_loses_no_request(new_outer_gateway: Callable[..., RunningGateway]):
    outer, done = new_outer_gateway(), threading.Event()

    def traffic() -> list[str]:
        answers = []
        while not done.is_set() or len(answers) < 10:
            with outer.client() as client:  # a connection each: one kept open may end as a request is sent
                answers.append(answer_of(ask(client)))
        return answers

    with ThreadPoolExecutor(2) as pool:
        running = [pool.submit(traffic) for _ in range(2)]
        for _ in range(3):
            outer.nginx.reload()
        done.set()
        answers = [answer for one in running for answer in one.result()]
    assert set(answers) == {ANSWER}


def test_a_reload_with_refused_settings_changes_nothing(new_outer_gateway: Callable[..., RunningGateway]):
    outer = new_outer_gateway()
    kept = outer.nginx.config.read_text()
    for wrong, reason in [
        ("connectons: 3\n", "unknown key 'connectons'"),
        ("listen: [8443]\n", "listen.0"),
        ("certificate: /nowhere.pem\n", "belong together"),
        (
            "upstreams: ['http://127.0.0.1:1']\ncertificate: /nowhere.pem\ncertificate_key: /nowhere.key\n",
            "refuses: .*nowhere.pem",
        ),
        ("upstreams: ['https://a:1', 'http://b:2']\n", "list one kind"),
        ("upstreams: ['http://127.0.0.1:1']\nkeys: '/tmp/$HOME'\n", "DOLLAR SIGN"),
    ]:
        outer.nginx.config.write_text(wrong)
        with pytest.raises(ServerError, match=reason):
            Gateway(outer.nginx.run, outer.nginx.config).reload()
    outer.nginx.config.write_text(kept)
    with outer.client() as client:
        assert answer_of(ask(client)) == ANSWER


def test_starting_without_a_server_says_what_to_start(run_folder: Callable[[], Path]):
    with pytest.raises(ServerError, match=r"no TorchServe runs in .*make serve"):
        Gateway(run_folder() / "run").start()


@pytest.mark.usefixtures("new_gateway")  # which skips where nginx is missing
def test_the_commands_start_test_reload_and_stop_the_gateway(
    torchserve: Server, run_folder: Callable[[], Path], tmp_path: Path
):
    config, run = tmp_path / "gateway.yaml", run_folder()
    socket_ = torchserve.properties["inference_address"]
    config.write_text(f"listen: ['127.0.0.1:{free_ports(1)[0]}']\nupstreams: ['{socket_}']\nanswer_seconds: 300\n")

    def gateway(word: str) -> subprocess.CompletedProcess[str]:
        where = ["--run", str(run)] + (["--config", str(config)] if word != "stop" else [])
        command = [sys.executable, str(ROOT / "scripts" / "gateway.py"), word, *where]
        return subprocess.run(command, capture_output=True, text=True, timeout=120)

    try:
        started = gateway("start")
        assert started.returncode == 0, started.stderr
        assert "First key, shown only once: vqa_" in started.stdout
        assert "-H @KEY_FILE" in started.stdout  # a key on a command line is in the process list, and in the history
        assert Gateway(run).shutdown_seconds > 300  # `stop` knows the folder alone
        again = gateway("start")
        assert again.returncode == 1
        assert "a gateway is already running" in again.stderr
        assert gateway("test").stdout.strip() == "nginx accepts these settings"
        assert gateway("reload").stdout.strip() == "reloaded"
    finally:
        stopped = gateway("stop")
    assert stopped.stdout.strip() == "the gateway has stopped"
    assert gateway("stop").stdout.strip() == "no gateway was running"
