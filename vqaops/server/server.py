"""One TorchServe process: Java executed directly, everything of it under one folder, ended by what started it.

TorchServe's own launcher forks, shares a pid file between servers and loses signals, hence this.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import psutil
import ts
from ts.model_server import load_properties

from vqaops.errors import ServerError
from vqaops.paths import ROOT
from vqaops.server.client import Client
from vqaops.server.endpoints import Addresses, socket_of
from vqaops.server.java import find_java
from vqaops.server.key_file import KeyFile
from vqaops.server.ports import SOCKET_PATH_LIMIT, check_port, check_socket
from vqaops.server.worker_log import load_failure
from vqaops.store import history
from vqaops.store.archive import Archive
from vqaops.store.state import State

STOP_SECONDS = 20
INHERITED = re.compile(
    r"PATH|HOME|USER|LANG|LC_\w+|TZ|LD_LIBRARY_PATH|(CUDA|NVIDIA|NCCL|OMP|MKL|KMP|OPENBLAS|TORCH|PYTORCH|MALLOC)_\w+"
    r"|GLIBC_TUNABLES"
)
"""What a server gets of the shell's environment: secrets have too many names to be listed, and some variables would
win over what is written here (TS_CONFIG_FILE, PYTHONPATH)."""
ALLOCATOR = {"MALLOC_MMAP_THRESHOLD_": str(2**30), "MALLOC_TRIM_THRESHOLD_": str(2**31)}
"""Workers keep the memory of a forward for the next one. By default glibc gives large blocks back at once, and the
page faults of taking them again cost as much CPU time as the model `rooms` itself."""
METRICS = ROOT / "deploy" / "monitoring" / "metrics.yaml"
"""Which metrics there are, unless the properties say otherwise; TorchServe knows none of ours by itself."""


@dataclass(frozen=True)
class Server:
    """A server that runs, or could run, in a folder.

    Attributes:
        run: The folder that holds everything of a running server: pid, temporary files, worker sockets, logs,
            and ``key_file.json`` with its tokens; and what outlives it: ``models.json``, what it serves,
            ``history.jsonl``, what was done to that, and ``logs.previous``, the logs of the run before.
        config: The ``config.properties`` to start with.
        overrides: Properties that replace the file's.
    """

    run: Path = ROOT / "run"
    config: Path = ROOT / "config.properties"
    overrides: Mapping[str, str] | None = None

    @property
    def properties(self) -> dict[str, str]:
        """The properties that the server has started with, where it runs, or would start with."""
        if self.process():
            return dict(load_properties(str(self.run / "config.properties")))
        return {**load_properties(str(self.config)), **(self.overrides or {})}

    @cached_property
    def client(self) -> Client:
        """A client with the server's addresses and keys."""
        addresses = Addresses.of(self.properties)
        return Client(addresses, self.run / "key_file.json", addresses.pool())

    @property
    def auth_header(self) -> Path:
        """A file for ``curl -H @FILE``: the inference key stays out of the process list and the history."""
        return self.run / "auth.header"

    def process(self) -> psutil.Process | None:
        """The running Java process, or None; a recycled pid is not taken for it."""
        noted = self._noted()
        try:
            process = psutil.Process(noted["pid"])
        except (KeyError, psutil.NoSuchProcess):
            return None
        same = abs(process.create_time() - noted["created"]) < 0.01
        return process if same and process.status() != psutil.STATUS_ZOMBIE else None

    @property
    def model_log(self) -> Path:
        """What the workers write."""
        return self.run / "logs" / "model.log"

    @property
    def history_file(self) -> Path:
        """What was done to the served versions."""
        return self.run / "history.jsonl"

    @property
    def state_file(self) -> Path:
        """What the server serves, or shall serve when it is started again."""
        return self.run / "models.json"

    def state(self) -> State | None:
        """What the server serves, or shall serve when it is started again; None before its first start.

        Raises:
            ServerError: The file is not a state.
        """
        return State.read(self.state_file)

    def start(self, served: State | Sequence[Archive]) -> None:
        """Start Java with these versions; returns at once. Of plain archives, each model's first is its default.

        Raises:
            RecipeError: An archive cannot be read.
            ServerError: A port is taken, the folder is not a server's or its path is too long for sockets, or a
                server runs in it already.
        """
        if self.process():
            raise ServerError(f"a server is already running in {self.run}; end it first: make stop")
        self.check_ports()
        self._check_folder()
        state = served if isinstance(served, State) else State.of(served)
        snapshot = state.snapshot()
        self._prepare_folder()
        given = {
            **(self.overrides or {}),
            "model_snapshot": snapshot,
            "metrics_config": str(ROOT / self.properties.get("metrics_config", METRICS)),
        }
        lines = [f"{key}={value}" for key, value in given.items()]
        written = self.run / "config.properties"
        written.write_text(self.config.read_text(encoding="utf-8") + "\n".join(["", *lines, ""]), encoding="utf-8")
        with (self.run / "logs" / "console.log").open("wb") as console:
            process = subprocess.Popen(
                self._command(written, state.store),
                cwd=self.run,  # where TorchServe writes key_file.json
                env=self._environment(),
                stdin=subprocess.DEVNULL,
                stdout=console,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # a group of its own: Ctrl-C in the shell is not for the server
            )
        noted = {"pid": process.pid, "created": psutil.Process(process.pid).create_time()}
        (self.run / "pid.json").write_text(json.dumps(noted), encoding="utf-8")
        history.note_defaults(self.history_file, self.state(), state)
        state.write(self.state_file)

    def wait_ready(self, archives: Sequence[Archive], timeout: float) -> Iterator[dict[str, list[str]]]:
        """Yield each archive's worker states until each has a worker READY, about five times a second.

        Raises:
            ServerError: The server ended, a worker cannot load its archive, or time is up.
        """
        deadline = time.monotonic() + timeout
        while True:
            states = self._worker_states(archives)
            yield states
            if all("READY" in workers for workers in states.values()):
                KeyFile(self.client.key_file).write_header()
                return
            if self.process() is None:
                raise ServerError(f"TorchServe ended: {self._last_words('console.log', 'server.log')}")
            for archive in archives:
                if failure := load_failure(self.model_log, archive.name, archive.version):
                    raise ServerError(f"a worker cannot load its archive: {failure} (all of it: {self.model_log})")
            if time.monotonic() > deadline:
                raise ServerError(f"not ready after {timeout:.0f} s: {states}; see {self.run}/logs")
            time.sleep(0.2)

    def stop(self, at_once: bool = False) -> bool:
        """End the server and its workers; False when none was running, and then nothing is touched.

        SIGTERM first; what is left of its process group after 20 s is killed.

        Args:
            at_once: SIGKILL for all, where nobody waits for an answer: TorchServe takes four seconds to end by itself.
        """
        if not self._noted():
            return False
        process = self.process()
        if process is not None:
            family = [process, *process.children(recursive=True)]
            if not at_once:
                process.terminate()
            _, alive = psutil.wait_procs(family, timeout=0 if at_once else STOP_SECONDS)
            for left in alive:
                with suppress(psutil.NoSuchProcess):  # workers end by themselves when Java has
                    left.kill()
            psutil.wait_procs([process], timeout=STOP_SECONDS)
        for name in ("pid.json", "key_file.json", "auth.header"):
            (self.run / name).unlink(missing_ok=True)
        shutil.rmtree(self.run / "tmp", ignore_errors=True)
        return process is not None

    def check_ports(self) -> None:
        """Refuse before Java does, and by the property's name.

        Raises:
            ServerError: A port is taken, or a socket is answered by another program or has too long a path.
        """
        for path in self._sockets():
            check_socket(path)
        given = self.properties
        wanted = {key: urlsplit(given[key]).port for key in given if key.endswith("_address") and "://" in given[key]}
        wanted |= {key: int(given[key]) for key in ("grpc_inference_port", "grpc_management_port")}
        for key, port in wanted.items():
            check_port(port or 0, key, self.config.name)

    def _sockets(self) -> list[Path]:
        found = [socket_of(value) for key, value in self.properties.items() if key.endswith("_address")]
        return [path for path in found if path]

    def _check_folder(self) -> None:
        # What a start would remove, where it may be somebody else's; reports of benches lie in run/ too.
        others = [name for name in ("tmp", "logs", "logs.previous") if (self.run / name).exists()]
        if others and not (self.run / "config.properties").exists():
            raise ServerError(f"{self.run} holds {', '.join(others)} and is not a server's folder; choose another one")
        temporary = self.run / "tmp"
        if len(str(temporary / ".ts.sock.9000")) > SOCKET_PATH_LIMIT:
            raise ServerError(f"the path {temporary} is too long for unix sockets; choose a shorter folder")

    def _prepare_folder(self) -> None:
        temporary = self.run / "tmp"
        shutil.rmtree(temporary, ignore_errors=True)
        logs, previous = self.run / "logs", self.run / "logs.previous"
        if logs.exists():  # after a crash they are all that tells its reason
            shutil.rmtree(previous, ignore_errors=True)
            logs.rename(previous)
        for left in (self.run / "key_file.json", *self._sockets()):
            left.unlink(missing_ok=True)
        for folder in (temporary, logs):
            folder.mkdir(parents=True)
        self.run.chmod(0o700)

    def _command(self, config: Path, store: Path) -> list[str]:
        home = Path(ts.__file__).parent
        return [
            str(find_java()),
            f"-Dmodel_server_home={home.parent}",
            f"-Djava.io.tmpdir={self.run / 'tmp'}",
            f"-Dlog4j.configurationFile=file://{ROOT / 'deploy' / 'log4j2.xml'}",
            f"-Dvqa.logs={self.run / 'logs'}",
            *self.properties.get("vmargs", "").split(),
            *("-cp", f"{home / 'frontend' / '*'}", "org.pytorch.serve.ModelServer"),
            *("--python", sys.executable),
            *("-f", str(config)),
            *("-s", str(store)),
            "-ncs",  # a snapshot would win over an edited config.properties
        ]

    def _environment(self) -> dict[str, str]:
        temporary = str(self.run / "tmp")
        kept = {key: value for key, value in os.environ.items() if INHERITED.fullmatch(key)}
        return {
            **ALLOCATOR,
            **kept,
            "TEMP": temporary,
            "TMPDIR": temporary,
            "HF_HUB_OFFLINE": "1",
            "PYTHONDONTWRITEBYTECODE": "1",
            "VQA_RUN": str(self.run),  # where workers keep their prediction logs
        }

    def _worker_states(self, archives: Sequence[Archive]) -> dict[str, list[str]]:
        states: dict[str, list[str]] = {}
        for archive in archives:
            try:
                workers = self.client.workers(f"{archive.name}/{archive.version}")
            except (httpx.TransportError, ServerError):
                workers = []
            states[f"{archive.name} {archive.version}"] = [worker.status for worker in workers]
        return states

    def _noted(self) -> dict[str, Any]:
        try:
            noted: dict[str, Any] = json.loads((self.run / "pid.json").read_text(encoding="utf-8"))
        except (FileNotFoundError, ValueError):
            return {}
        return noted

    def _last_words(self, *logs: str) -> str:
        texts = [
            (self.run / "logs" / log).read_text(errors="replace") for log in logs if (self.run / "logs" / log).exists()
        ]
        lines = [line for text in texts for line in text.splitlines() if line.strip()]
        wrong = [line for line in lines if "rror" in line or "xception" in line]
        return (wrong or lines or ["it said nothing"])[-1].strip()
