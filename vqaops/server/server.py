"""One TorchServe server: its Java process is executed directly, keeps every file in one folder, and is stopped by pid.

TorchServe's own launcher forks, shares a pid file between servers and loses signals; this module replaces it.
"""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import httpx
import psutil

from vqaops.errors import ServerError
from vqaops.paths import CONFIG, DEPLOY, ROOT, RUN
from vqaops.server.client import Client
from vqaops.server.endpoints import Addresses, socket_of
from vqaops.server.java_command import java_command, java_environment
from vqaops.server.key_file import KeyFile
from vqaops.server.ports import check_port, check_socket, ports_of
from vqaops.server.properties import read_properties, write_properties
from vqaops.server.run_folder import RunFolder
from vqaops.server.worker_log import load_failure
from vqaops.store import history
from vqaops.store.archive import Archive
from vqaops.store.state import State

STOP_SECONDS = 20
METRICS = DEPLOY / "monitoring" / "metrics.yaml"
"""The metrics that TorchServe exports, unless the properties name another file; it knows none of ours by itself."""


@dataclass(frozen=True)
class Server:
    """A server that runs, or could run, in a folder.

    Attributes:
        run: The run folder; `RunFolder` says what it holds.
        config: The ``config.properties`` to start with.
        overrides: Properties that replace the file's.
    """

    run: Path = RUN
    config: Path = CONFIG
    overrides: Mapping[str, str] | None = None

    @property
    def folder(self) -> RunFolder:
        """The run folder's files."""
        return RunFolder(self.run)

    @property
    def properties(self) -> dict[str, str]:
        """The properties that the server was started with if it runs, else those it would start with.

        Raises:
            ServerError: The properties cannot be read.
        """
        if self.process():
            return read_properties(self.folder.config)
        return {**read_properties(self.config), **(self.overrides or {})}

    @cached_property
    def client(self) -> Client:
        """A client with the server's addresses and tokens."""
        addresses = Addresses.of(self.properties)
        return Client(addresses, self.run / "key_file.json", addresses.pool())

    @property
    def auth_header(self) -> Path:
        """A file for ``curl -H @FILE``, which keeps the inference token out of process lists and shell histories."""
        return self.run / "auth.header"

    @property
    def model_log(self) -> Path:
        """The log of the workers."""
        return self.folder.logs / "model.log"

    @property
    def history_file(self) -> Path:
        """The record of changes to the served versions."""
        return self.run / "history.jsonl"

    @property
    def state_file(self) -> Path:
        """What the server serves, and will serve when it is started again."""
        return self.run / "models.json"

    def process(self) -> psutil.Process | None:
        """The running Java process, or None."""
        return self.folder.server.process()

    def state(self) -> State | None:
        """What the server serves, and will serve when it is started again; None before its first start.

        Raises:
            ServerError: The file is not a state.
        """
        return State.read(self.state_file)

    def start(self, served: State | Sequence[Archive]) -> None:
        """Start Java and return at once, before any worker is ready.

        Args:
            served: Versions, defaults and worker counts; or archives, of which a model's first is its default.

        Raises:
            RecipeError: An archive cannot be read.
            ServerError: A port is taken, the run folder cannot be used, or a server runs in it already.
        """
        self.check()
        state = served if isinstance(served, State) else State.of(served)
        given = {**self.properties, "model_snapshot": state.snapshot()}
        given["metrics_config"] = str(ROOT / given.get("metrics_config", METRICS))
        self.folder.prepare(self._sockets())
        write_properties(self.folder.config, given)
        with (self.folder.logs / "console.log").open("wb") as console:
            process = subprocess.Popen(
                java_command(self.folder, state.store, given.get("vmargs", "")),
                cwd=self.run,  # TorchServe writes key_file.json there, and log4j2.xml names logs relative to it
                env=java_environment(self.folder),
                stdin=subprocess.DEVNULL,
                stdout=console,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # so that Ctrl-C in the shell does not reach the server
            )
        self.folder.server.write(psutil.Process(process.pid))
        history.record_defaults(self.history_file, self.state(), state)
        state.write(self.state_file)

    def wait_ready(self, archives: Sequence[Archive], timeout: float) -> Iterator[dict[str, list[str]]]:
        """Yield each archive's worker states, about five times a second, until each has a worker READY.

        Raises:
            ServerError: The server ended, a worker cannot load its archive, or the timeout has passed.
        """
        deadline = time.monotonic() + timeout
        while True:
            states = self._worker_states(archives)
            yield states
            if all("READY" in workers for workers in states.values()):
                KeyFile(self.client.key_file).write_header()
                return
            if self.process() is None:
                raise ServerError(f"TorchServe ended: {self.folder.last_error()}")
            for archive in archives:
                if failure := load_failure(self.model_log, archive.name, archive.version):
                    raise ServerError(f"a worker cannot load its archive: {failure} (whole log: {self.model_log})")
            if time.monotonic() > deadline:
                with suppress(ServerError):  # the server goes on, and clients need the token once it is ready
                    KeyFile(self.client.key_file).write_header()
                raise ServerError(
                    f"not ready after {timeout:.0f} s: {states}; it goes on starting: look again with "
                    f"scripts/models.py list, and see {self.folder.logs}"
                )
            time.sleep(0.2)

    def wait_until_ready(self, archives: Sequence[Archive], timeout: float) -> None:
        """As `wait_ready`, for callers that show no progress."""
        for _ in self.wait_ready(archives, timeout):
            pass

    def stop(self, at_once: bool = False) -> bool:
        """Stop the server and its workers; SIGTERM first, SIGKILL for those that are left after 20 s.

        Args:
            at_once: SIGKILL for all of them: TorchServe takes four seconds to end after SIGTERM.

        Returns:
            Whether a server was running. Where none was ever started, no file is touched.
        """
        if not self.folder.server.exists():
            return False
        process = self.process()
        if process is not None:
            family = [process, *process.children(recursive=True)]
            if not at_once:
                process.terminate()
            _, alive = psutil.wait_procs(family, timeout=0 if at_once else STOP_SECONDS)
            for left in alive:
                with suppress(psutil.NoSuchProcess):  # workers end by themselves once Java has ended
                    left.kill()
            psutil.wait_procs([process], timeout=STOP_SECONDS)
        self.folder.clear()
        return process is not None

    def check(self) -> None:
        """Refuse a start that cannot succeed.

        Raises:
            ServerError: A port is taken, the run folder cannot be used, or a server runs in it already.
        """
        if self.process():
            raise ServerError(f"a server is already running in {self.run}; stop it first: make stop")
        self.check_ports()
        self.folder.check()

    def check_ports(self) -> None:
        """Refuse an address that is taken before Java does, and name its property.

        Raises:
            ServerError: A port is taken, or a socket is answered by another program or has too long a path.
        """
        for path in self._sockets():
            check_socket(path)
        for key, port in ports_of(self.properties).items():
            check_port(port, key, self.config.name)

    def _sockets(self) -> list[Path]:
        found = [socket_of(value) for key, value in self.properties.items() if key.endswith("_address")]
        return [path for path in found if path]

    def _worker_states(self, archives: Sequence[Archive]) -> dict[str, list[str]]:
        states: dict[str, list[str]] = {}
        for archive in archives:
            try:
                workers = self.client.workers(f"{archive.name}/{archive.version}")
            except (httpx.TransportError, ServerError):
                workers = []
            states[f"{archive.name} {archive.version}"] = [worker.status for worker in workers]
        return states
