"""The life of a server: start, refusals to start, a worker's death, secrets, stop."""

from __future__ import annotations

import socket
import stat
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import psutil
import pytest

from tests.support.archives import pack
from tests.support.pictures import encoded
from tests.support.recipes import RecipeMaker
from vqaops.errors import ServerError
from vqaops.server.client import Client
from vqaops.server.retry import NEVER
from vqaops.server.server import Server


def worker_pids(server: Server, model: str = "dummy") -> list[int]:
    return [worker.pid for worker in server.client.workers(model)]


def answers_within(client: Client, seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            return client.ask("dummy", encoded(), "back?")["answer"] == "4x3 #ff0000: back?"
        except ServerError:
            time.sleep(0.1)
    return False


def test_a_killed_worker_is_replaced_and_answers_again(dummy_server: Server):
    before = worker_pids(dummy_server)
    psutil.Process(before[0]).kill()
    assert answers_within(dummy_server.client, 60)
    assert worker_pids(dummy_server) != before


def test_keys_and_header_file_are_readable_by_the_owner_alone(dummy_server: Server):
    for path in (dummy_server.client.key_file, dummy_server.auth_header):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(dummy_server.run.stat().st_mode) == 0o700


def test_workers_inherit_no_secrets(
    serve: Callable[..., Server], make_recipe: RecipeMaker, monkeypatch: pytest.MonkeyPatch
):
    secrets = ["HF_TOKEN", "AWS_SECRET_ACCESS_KEY", "DATABASE_URL", "MYSQL_PWD", "GH_PAT", "SENTRY_DSN"]
    for name in secrets:
        monkeypatch.setenv(name, "hush")
    monkeypatch.setenv("OMP_WAIT_POLICY", "PASSIVE")
    server = serve(make_recipe())
    environment = psutil.Process(worker_pids(server)[0]).environ()
    assert environment["OMP_WAIT_POLICY"] == "PASSIVE"
    assert not [name for name in secrets if name in environment]
    assert "hush" not in environment.values()


def test_everything_of_a_running_server_lies_in_its_folder(dummy_server: Server):
    process = dummy_server.process()
    assert process is not None
    assert psutil.Process(process.pid).cwd() == str(dummy_server.run)
    assert list((dummy_server.run / "tmp").glob(".ts.sock.*"))
    assert {path.name for path in dummy_server.run.iterdir()} >= {"logs", "tmp", "pid.json", "key_file.json"}


def test_a_slow_start_leaves_the_token_for_clients(dummy_server: Server, monkeypatch: pytest.MonkeyPatch):
    dummy_server.auth_header.unlink()
    monkeypatch.setattr(Server, "_worker_states", lambda server, archives: {"slow": []})
    with pytest.raises(ServerError, match=r"not ready after 0 s: .*; it goes on starting"):
        dummy_server.wait_until_ready([], 0)
    assert dummy_server.auth_header.is_file()


def test_stop_ends_the_server_and_its_workers_and_nothing_else(
    dummy_server: Server, serve: Callable[..., Server], make_recipe: RecipeMaker
):
    server = serve(make_recipe())
    process = server.process()
    assert process is not None
    family = [process, *process.children(recursive=True)]
    assert len(family) > 1
    assert server.stop()
    assert not [member for member in family if member.is_running() and member.status() != psutil.STATUS_ZOMBIE]
    assert not server.client.key_file.exists()
    assert dummy_server.process() is not None
    assert not server.stop()


def test_a_second_start_in_the_same_folder_is_refused(dummy_server: Server):
    with pytest.raises(ServerError, match="already running"):
        dummy_server.start([])


def test_a_busy_port_is_named_with_its_property(new_server: Callable[..., Server], make_recipe: RecipeMaker, tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        server = new_server(management_address=f"http://127.0.0.1:{port}")
        with pytest.raises(ServerError, match=rf"port {port} \(management_address\) is taken"):
            server.start([pack(make_recipe(), tmp_path)])
    assert server.process() is None


def test_a_folder_too_deep_for_sockets_is_refused(tmp_path: Path, new_server: Callable[..., Server]):
    server = Server(tmp_path / ("x" * 100), overrides=new_server().overrides)
    with pytest.raises(ServerError, match="too long for unix sockets"):
        server.start([])


def test_an_archive_that_does_not_load_is_reported_with_its_reason(
    new_server: Callable[..., Server], make_recipe: RecipeMaker, tmp_path: Path
):
    archive = pack(make_recipe(), tmp_path)
    broken = tmp_path / "broken.mar"
    with zipfile.ZipFile(archive.path) as old, zipfile.ZipFile(broken, "w") as new:
        for name in old.namelist():
            content = old.read(name)
            new.writestr(
                name, content.replace(b"family: dummy", b"family: dumber") if name.endswith(".yaml") else content
            )
    broken.replace(archive.path)
    server = new_server()
    server.start([archive])
    try:
        with pytest.raises(ServerError, match=r"cannot load its archive: .*family 'dumber' does not exist"):
            for _ in server.wait_ready([archive], 60):
                pass
    finally:
        assert server.stop(at_once=True)
    assert server.process() is None


def test_a_recycled_pid_is_not_taken_for_the_server(tmp_path: Path):
    (tmp_path / "pid.json").write_text(f'{{"pid": {psutil.Process().pid}, "created": 1.0}}')
    server = Server(tmp_path)
    assert server.process() is None
    assert not server.stop()


@pytest.fixture
def absent(tmp_path: Path, new_server: Callable[..., Server]) -> Iterator[Client]:
    """A client of a server that was never started."""
    with httpx.Client(trust_env=False) as http:
        yield Client(new_server().client.addresses, tmp_path / "key_file.json", http, NEVER)


def test_stop_touches_nothing_in_a_folder_where_no_server_was_started(tmp_path: Path):
    precious = tmp_path / "tmp" / "precious"
    precious.parent.mkdir()
    precious.write_text("keep")
    assert not Server(tmp_path).stop()
    assert precious.read_text() == "keep"


def test_a_folder_that_holds_something_else_is_refused(
    run_folder: Callable[[], Path], new_server: Callable[..., Server]
):
    folder = run_folder()
    (folder / "tmp").mkdir()
    (folder / "tmp" / "precious").write_text("keep")
    with pytest.raises(ServerError, match="not a server's folder"):
        Server(folder, overrides=new_server().overrides).start([])
    assert (folder / "tmp" / "precious").exists()


def test_a_run_folder_with_reports_is_accepted(
    new_server: Callable[..., Server], make_recipe: RecipeMaker, tmp_path: Path
):
    server = new_server()
    (server.run / "bench").mkdir(parents=True)
    server.start([pack(make_recipe(), tmp_path)])
    assert server.process()
    server.stop()
    assert (server.run / "bench").exists()


def test_a_missing_key_file_says_that_the_server_is_not_running(absent: Client):
    with pytest.raises(
        ServerError, match=r"key_file.json is missing: the server is not running \(start it: make serve"
    ):
        absent.ask("dummy", encoded(), "what?")


def test_a_damaged_key_file_says_what_to_do(absent: Client):
    absent.key_file.write_text("{}")
    with pytest.raises(ServerError, match="holds no inference token"):
        absent.token("inference")


def test_a_server_that_went_away_is_reported_as_such(absent: Client):
    absent.key_file.write_text('{"inference": {"key": "x"}}')
    with pytest.raises(ServerError, match="does not answer"):
        absent.ask("dummy", encoded(), "what?")


def test_nothing_listens_beyond_loopback(dummy_server: Server):
    process = dummy_server.process()
    assert process is not None
    connections = getattr(process, "net_connections", None) or process.connections  # the name changed in psutil 6
    listening = [one.laddr.ip for one in connections("inet") if one.status == psutil.CONN_LISTEN]
    assert len(listening) >= 5
    assert {ip.removeprefix("::ffff:") for ip in listening} == {"127.0.0.1"}


def test_registering_from_a_url_is_refused(dummy_server: Server):
    client = dummy_server.client
    url = f"{client.addresses.management}/models?url=http://127.0.0.1:9/evil.mar&synchronous=false"
    reply = httpx.post(url, headers=client.header("management"), timeout=30, trust_env=False)
    assert (reply.status_code, reply.json()["type"]) == (404, "ModelNotFoundException")
