"""What a killed TorchServe served is served again, by a command and by a supervisor."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest

from tests.support.pictures import encoded
from tests.support.recipes import RecipeMaker
from tests.support.rollout import ModelsCommand
from tests.support.waiting import until
from vqaops.paths import CONFIG, ROOT
from vqaops.server.management import Management
from vqaops.server.server import Server
from vqaops.server.worker_log import load_failure
from vqaops.store.archive import Archive
from vqaops.store.state import State

PATIENCE = 180


@pytest.fixture
def config(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """The test server's properties as a file, for commands."""
    models: ModelsCommand = request.getfixturevalue("fragile" if "fragile" in request.fixturenames else "models")
    own = "".join(f"{key}={value}\n" for key, value in (models.server.overrides or {}).items())
    written = tmp_path / "config.properties"
    written.write_text(CONFIG.read_text() + "\n" + own)
    return written


def kill(models: ModelsCommand) -> None:
    process = models.server.process()
    assert process is not None
    workers = process.children(recursive=True)
    process.kill()
    _, alive = psutil.wait_procs([process, *workers], timeout=60)
    assert not alive, "workers outlive their server"


def serve_command(word: str, models: ModelsCommand, config: Path) -> list[str]:
    script = str(ROOT / "scripts" / "serve.py")
    return [sys.executable, script, word, "--config", str(config), "--run", str(models.server.run)]


def test_after_a_kill_the_same_versions_default_and_workers_are_back(models: ModelsCommand, config: Path):
    models.json("register", models.archive("1.1.0"))
    models.json("promote", "1.1.0")
    models.json("scale", "--version", "1.0.0", "--min", "2")
    before = (models.ready(), models.default())
    assert before == ({"1.0.0": 2, "1.1.0": 1}, "1.1.0")

    kill(models)
    refused = models("list")
    assert refused.returncode == 1
    assert "is the server running?" in refused.stderr
    done = subprocess.run(serve_command("resume", models, config), capture_output=True, text=True, timeout=PATIENCE)
    assert done.returncode == 0, done.stderr
    assert (models.ready(), models.default()) == before
    assert models.server.client.ask("dummy", encoded(), "back?")["model"]["version"] == "1.1.0"
    models.json("rollback")
    assert models.default() == "1.0.0"


def test_in_the_foreground_it_ends_on_sigterm_and_fails_when_torchserve_does(models: ModelsCommand, config: Path):
    models.server.stop()
    for ending, status in ((signal.SIGTERM, 0), (None, 1)):
        with subprocess.Popen(
            serve_command("foreground", models, config), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        ) as supervised:
            assert supervised.stdout is not None
            assert any("serving until SIGTERM" in line for line in supervised.stdout), supervised.communicate()[1]
            assert models.server.client.ask("dummy", encoded(), "here?")["answer"] == "4x3 #ff0000: here?"
            if ending:
                supervised.send_signal(ending)
            else:
                kill(models)
            _, errors = supervised.communicate(timeout=PATIENCE)
        assert supervised.returncode == status, errors
        assert models.server.process() is None


@pytest.fixture
def fragile(new_server: Callable[..., Server], make_recipe: RecipeMaker, tmp_path: Path) -> ModelsCommand:
    """A server that can be resumed; its model waits or fails while loading as long as a file exists."""
    models = ModelsCommand(new_server(), make_recipe, tmp_path)
    archive = Archive.read(models.archive("1.0.0", faults(tmp_path)))
    models.server.run.mkdir()
    (models.server.run / "config.properties").write_text("model_snapshot={}\n")
    State.of([archive]).write(models.server.state_file)
    return models


def faults(folder: Path) -> dict[str, str]:
    lines = [
        "        import time",
        f"        while Path({str(folder / 'hold')!r}).exists():",
        "            time.sleep(0.1)",
        f"        if Path({str(folder / 'broken')!r}).exists():",
        "            raise OSError('no disk')",
    ]
    return {"        del folder\n": "\n".join([*lines, ""])}


def test_in_the_foreground_a_start_that_fails_or_is_ended_leaves_no_torchserve(
    fragile: ModelsCommand, config: Path, tmp_path: Path
):
    (tmp_path / "broken").touch()
    command = serve_command("foreground", fragile, config)
    failed = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE)
    assert failed.returncode == 1
    assert "a worker cannot load its archive: OSError: no disk" in failed.stderr
    assert fragile.server.process() is None

    (tmp_path / "hold").touch()
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as supervised:
        until(lambda: fragile.server.process() is not None, "TorchServe starts", PATIENCE)
        supervised.send_signal(signal.SIGTERM)
        output, errors = supervised.communicate(timeout=PATIENCE)
    assert supervised.returncode == 0, errors
    assert "stopped before it was ready" in output
    assert fragile.server.process() is None
    assert "no disk" in (fragile.server.run / "logs.previous" / "model.log").read_text()


def test_an_archive_that_was_changed_behind_the_server_is_not_resumed(models: ModelsCommand, config: Path):
    kill(models)
    state = models.server.state()
    assert state is not None
    (state.store / "dummy-1.0.0.mar").write_bytes(models.archive("1.0.0").read_bytes() + b"more")
    done = subprocess.run(serve_command("resume", models, config), capture_output=True, text=True, timeout=PATIENCE)
    assert done.returncode == 1
    assert "and dummy 1.0.0 was registered with" in done.stderr


def test_scale_starts_given_up_workers_anew_and_lets_starting_ones_start(models: ModelsCommand, tmp_path: Path):
    # One second of retries: TorchServe gives up after the first failed start.
    quick = "responseTimeout: 3\nmaxRetryTimeoutInSec: 1\n"
    models.json("register", models.archive("1.1.0", faults(tmp_path), config=quick))
    (tmp_path / "broken").touch()
    psutil.Process(models.server.client.workers("dummy/1.1.0")[0].pid).kill()
    deadline = time.monotonic() + 120
    while not load_failure(models.server.model_log, "dummy", "1.1.0"):
        assert time.monotonic() < deadline, "the worker was not started again"
        time.sleep(0.2)
    (tmp_path / "broken").unlink()
    assert models.json("scale", "--version", "1.1.0", "--min", "1")["ready"] == 1
    assert models.server.client.ask("dummy/1.1.0", encoded(), "back?")["answer"] == "4x3 #ff0000: back?"

    (tmp_path / "hold").touch()
    killed = models.server.client.workers("dummy/1.1.0")[0].pid
    psutil.Process(killed).kill()
    management = Management(models.server.client)

    def pids() -> set[int]:
        assert time.monotonic() < deadline, "no new worker was started"
        time.sleep(0.1)
        return {worker.pid for worker in management.version("dummy", "1.1.0").workers} - {killed, -1}

    while not (starting := pids()):
        pass
    with ThreadPoolExecutor() as pool:
        scaled = pool.submit(models.json, "scale", "--version", "1.1.0", "--min", "2")
        while management.version("dummy", "1.1.0").min_workers != 2:
            pids()
        (tmp_path / "hold").unlink()
        assert scaled.result()["ready"] == 2
    assert starting < pids(), "a worker that was starting was ended"
