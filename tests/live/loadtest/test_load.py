"""Real locust runs against a real server: the checked limits, the exit codes, and a distributed run."""

from __future__ import annotations

import re
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.support.recipes import RecipeMaker
from vqaops.paths import ROOT
from vqaops.server.ports import free_ports
from vqaops.server.server import Server

SECONDS = 120


@pytest.fixture(scope="module")
def recipe(make_recipe: RecipeMaker) -> Path:
    return make_recipe()


@pytest.fixture(scope="module")
def options(serve: Callable[..., Server], recipe: Path) -> list[str]:
    """Options that point locust to a dedicated server."""
    server = serve(recipe)
    where = ["--host", server.client.addresses.inference, "--header-file", str(server.auth_header)]
    return [*where, "--recipes", str(recipe), "--users", "8"]


def command(*options: str) -> list[str]:
    return [sys.executable, "-m", "locust", "-f", "loadtest/locustfile.py", "--headless", "--only-summary", *options]


def run(*options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command(*options), cwd=ROOT, capture_output=True, text=True, timeout=SECONDS)


def checked(done: subprocess.CompletedProcess[str]) -> Counter[str]:
    words = (line.partition(" ")[0] for line in done.stdout.split("\n"))
    return Counter(word for word in words if word in ("kept", "BREACHED"))


def levels(tmp_path: Path, text: str) -> list[str]:
    file = tmp_path / "slo.yaml"
    file.write_text("".join(f"{kind}: {text}\n" for kind in ("SingleQuestion", "Chat", "Popular", "Mixed")))
    return ["--slo", str(file)]


GENEROUS = "{p95: 60000, p99: 60000, failure_ratio: 0, throughput: 0.1}"


def test_kept_levels_exit_with_0_and_write_report_and_plot(options: list[str], tmp_path: Path):
    files = ["--html", str(tmp_path / "load.html"), "--plot", str(tmp_path / "load.png")]
    done = run(*options, *files, *levels(tmp_path, GENEROUS), "--run-time", "4s", "--shape", "spike")
    assert done.returncode == 0, done.stdout + done.stderr
    assert checked(done) == {"kept": 16}
    assert (tmp_path / "load.png").read_bytes().startswith(b"\x89PNG")
    assert "SingleQuestion/dummy" in (tmp_path / "load.html").read_text()


def test_a_breached_level_exits_with_3_and_is_named(options: list[str], tmp_path: Path):
    done = run(*options, *levels(tmp_path, "{p95: 0.001, failure_ratio: 0}"), "--run-time", "2s")
    assert done.returncode == 3, done.stdout + done.stderr
    assert checked(done) == {"BREACHED": 4, "kept": 4}


def test_a_wrong_answer_breaches_the_levels(options: list[str], tmp_path: Path, make_recipe: RecipeMaker):
    other = make_recipe()
    samples = other / "samples" / "questions.jsonl"
    samples.write_text(samples.read_text().replace("4x3 #ff0000: what?", "something else"))
    done = run(
        *options, *levels(tmp_path, GENEROUS), "--run-time", "2s", "--recipes", str(other), "-t", "2s", "--users", "2"
    )
    assert done.returncode == 3, done.stdout + done.stderr
    assert "wrong: to 'what?' '4x3 #ff0000: what?', not something else" in done.stdout + done.stderr


def test_an_unreachable_server_breaches_the_levels(options: list[str], tmp_path: Path):
    (port,) = free_ports(1)
    done = run(*options, "--host", f"http://127.0.0.1:{port}", *levels(tmp_path, GENEROUS), "--run-time", "1s")
    assert done.returncode == 3, done.stdout + done.stderr


@pytest.fixture
def pages() -> Iterator[str]:
    """A misconfigured proxy that answers everything with 200 and a page of HTML."""

    class Page(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"<html>Welcome to nginx!</html>")

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Page) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_an_unreadable_reply_is_a_failure(options: list[str], pages: str, tmp_path: Path):
    users = ["--users", "2", "--throughput", "5", "SingleQuestion", "Mixed"]
    done = run(*options, "--host", pages, *levels(tmp_path, "{failure_ratio: 0}"), "--run-time", "2s", *users)
    assert done.returncode == 3, done.stdout + done.stderr
    assert re.findall(r"BREACHED (\w+) +failure_ratio +1 <= 0", done.stdout) == ["SingleQuestion", "Mixed"]
    assert "no answer in b'<html>Welcome" in done.stdout + done.stderr


def test_a_user_that_raises_breaches_the_levels(options: list[str], tmp_path: Path):
    """Its requests are in none of the figures, and all limits would be kept."""
    file = tmp_path / "locustfile.py"
    file.write_text(
        "from locust import task\n"
        "from loadtest.locustfile import ChosenShape, SingleQuestion\n"
        "class Raising(SingleQuestion):\n"
        "    @task\n"
        "    def fail(self):\n"
        "        raise KeyError('answer')\n"
    )
    done = run(*options, *levels(tmp_path, GENEROUS), "--users", "2", "--run-time", "2s", "-f", str(file))
    assert done.returncode == 3, done.stdout + done.stderr
    assert re.search(r"BREACHED \d+ x .*answer", done.stdout)
    assert checked(done)["kept"] == 4


@pytest.mark.parametrize(
    ("flag", "content", "message"),
    [
        ("--slo", "Chat: {p90: 1}\n", "unknown key 'Chat.p90'"),
        ("--slo", None, "is missing"),
        ("--recipes", None, "questions.jsonl is missing"),
        ("--header-file", "", "holds no header"),
        ("--header-file", None, "is missing"),
    ],
)
def test_a_file_that_cannot_be_used_is_refused_in_one_line_before_the_load(
    options: list[str], tmp_path: Path, flag: str, content: str | None, message: str
):
    file = tmp_path / "given"
    if content is not None:
        file.write_text(content)
    done = run(*options, "--run-time", "60s", flag, str(file))
    assert done.returncode == 1
    assert any(line.startswith("make load: ") and message in line for line in done.stderr.split("\n"))
    assert "Traceback" not in done.stderr


def test_a_master_distributes_the_load_over_two_workers(options: list[str], tmp_path: Path):
    (port,) = free_ports(1)
    workers = [
        subprocess.Popen(
            command("--worker", "--master-host", "127.0.0.1", "--master-port", str(port)),
            cwd=ROOT,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        for _ in range(2)
    ]
    try:
        master = ["--master", "--master-bind-host", "127.0.0.1", "--master-bind-port", str(port)]
        master += ["--expect-workers", "2", "--expect-workers-max-wait", "60", "--run-time", "4s"]
        done = run(
            *options, *master, *levels(tmp_path, GENEROUS), "--throughput", "5", "--plot", f"{tmp_path}/load.png"
        )
        assert done.returncode == 0, done.stdout + done.stderr
        assert checked(done) == {"kept": 12}  # without throughput
        assert (tmp_path / "load.png").exists()
        assert "to 2 ready workers" in done.stderr
        assert [worker.wait(30) for worker in workers] == [0, 0]
    finally:
        for worker in workers:
            worker.kill()
            worker.wait()


def test_capacity_prints_the_highest_kept_rate(options: list[str], tmp_path: Path):
    host, header, recipe = options[1], options[3], options[5]
    done = subprocess.run(
        [
            *(sys.executable, "loadtest/capacity.py", "--host", host, "--header-file", header, "--recipes", recipe),
            *("--seconds", "2", "--most", "2", "--halvings", "0", *levels(tmp_path, GENEROUS)),
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=SECONDS,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.rstrip().split("\n")[-1] == "SingleQuestion: 2 requests a second keep every service level"
