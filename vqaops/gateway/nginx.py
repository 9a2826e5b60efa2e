"""One nginx process in front of a TorchServe or of other gateways. All its files are in one folder; no root needed."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import psutil

from vqaops.errors import ServerError
from vqaops.gateway.api_keys import ApiKeys
from vqaops.gateway.certificate import Certificate
from vqaops.gateway.rendering import BODY_SECONDS, GATEWAY_FILES, Backend, render
from vqaops.gateway.routes import Routes
from vqaops.gateway.settings import GatewaySettings
from vqaops.paths import RUN
from vqaops.server.server import Server

START_SECONDS = 10
QUIT_SECONDS = 15
"""Added to the time that accepted requests have to be answered, before `stop` kills nginx."""
LOG_BYTES = 100_000_000
"""Size at which `rotate_log` begins a new access log: about 250,000 requests."""


@dataclass(frozen=True)
class Gateway:
    """The gateway of a run folder, running or not.

    Attributes:
        run: The server's run folder.
        config: The settings, a file like ``deploy/gateway/gateway.yaml``.
        own_folder: The gateway's folder; by default ``gateway`` in the run folder.
    """

    run: Path = RUN
    config: Path = GATEWAY_FILES / "gateway.yaml"
    own_folder: Path | None = None

    @cached_property
    def settings(self) -> GatewaySettings:
        """The settings in ``config``; the file is read once."""
        return GatewaySettings.read(self.config)

    @property
    def certificate(self) -> Certificate:
        """The certificate in the settings, or the self-signed one in the gateway's folder."""
        given = self.settings
        if given.certificate and given.certificate_key:
            return Certificate(given.certificate, given.certificate_key)
        return Certificate(self.folder / "tls" / "certificate.pem", self.folder / "tls" / "key.pem")

    @property
    def folder(self) -> Path:
        """The gateway's files: configuration, pid, logs, temporary files, and keys unless set otherwise."""
        return self.own_folder or self.run / "gateway"

    @property
    def keys(self) -> ApiKeys:
        """The API keys that the gateway accepts."""
        return ApiKeys(self.settings.keys or self.folder / "keys")

    @property
    def routes(self) -> Routes:
        """The canary and shadow routes."""
        return Routes(self.folder / "routes.json")

    @property
    def url(self) -> str:
        """The first address in ``listen``."""
        return f"https://{self.settings.listen[0]}"

    def process(self) -> psutil.Process | None:
        """Nginx's master process, or None. Another process that has reused the pid is not returned."""
        try:
            process = psutil.Process(int((self.folder / "nginx.pid").read_text()))
            ours = str(self._written) in " ".join(process.cmdline())  # nginx's title; psutil splits it at blanks
        except (FileNotFoundError, ValueError, OverflowError, psutil.Error):
            return None
        return process if ours else None

    def start(self) -> None:
        """Start nginx, and return when it listens.

        Raises:
            ServerError: The gateway runs already, TorchServe does not, or nginx refuses the configuration or a port.
        """
        if self.process():
            raise ServerError(f"a gateway is already running in {self.folder}; stop it: scripts/gateway.py stop")
        self.check().replace(self._written)
        self._nginx()  # returns when the ports are open; the pid is written a moment later
        deadline = time.monotonic() + START_SECONDS
        while self.process() is None:
            if time.monotonic() > deadline:
                raise ServerError(f"nginx started, then stopped; see {self.folder}/logs/error.log")
            time.sleep(0.01)

    def check(self) -> Path:
        """Render the configuration and let nginx check it. The configuration in use does not change.

        Returns:
            The new configuration.

        Raises:
            ServerError: TorchServe does not run, the settings are invalid, or nginx refuses them.
        """
        backend = self._backend()  # before anything is written
        for name in ("logs", "tmp"):
            (self.folder / name).mkdir(parents=True, exist_ok=True)
        self.folder.chmod(0o700)
        self.keys.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not self.settings.certificate:
            self.certificate.create_self_signed()
        new = self._written.with_suffix(".new")
        text = render(self.settings, self.certificate, backend, self.folder, self.keys.folder)
        new.write_text(text, encoding="utf-8")
        self._nginx("-t", config=new)
        return new

    def reload(self) -> None:
        """Apply changed settings or certificates. If nginx refuses them, it keeps running with the old ones.

        Raises:
            ServerError: The gateway does not run, the settings are invalid, or nginx refuses them.
        """
        process = self.process()
        if not process:
            raise ServerError(f"no gateway runs in {self.folder}; start it: make gateway")
        self.check().replace(self._written)
        process.send_signal(signal.SIGHUP)

    def rotate_log(self, limit: int = LOG_BYTES) -> None:
        """Begin a new access log if the present one is larger than ``limit`` bytes; one old log is kept.

        For containers, where no logrotate runs and a full disk ends the server.
        """
        log = self.folder / "logs" / "access.log"
        process = self.process()
        if process and log.exists() and log.stat().st_size > limit:
            log.replace(log.with_suffix(".log.1"))
            process.send_signal(signal.SIGUSR1)  # nginx opens a new file

    @property
    def shutdown_seconds(self) -> float:
        """How long the running nginx waits for accepted requests; the settings may have changed since it started."""
        given = re.search(r"^worker_shutdown_timeout (\d+)s;", self._written.read_text(encoding="utf-8"), re.MULTILINE)
        return float(given[1]) if given else self.settings.answer_seconds + BODY_SECONDS

    def stop(self) -> bool:
        """Answer the accepted requests, then stop nginx.

        Returns:
            False if the gateway was not running.
        """
        process = self.process()
        if not process:
            return False
        processes = [process, *process.children(recursive=True)]
        process.send_signal(signal.SIGQUIT)
        _, alive = psutil.wait_procs(processes, timeout=self.shutdown_seconds + QUIT_SECONDS)
        for remaining in alive:
            remaining.kill()
        return True

    def _backend(self) -> Backend:
        server = Server(self.run)
        limit = int(server.properties["max_request_size"])
        if self.settings.upstreams:
            return Backend(self.settings.upstreams, None, None, limit)
        if not server.process():
            raise ServerError(
                f"no TorchServe runs in {self.run}; start it (make serve), or list upstreams in {self.config.name}"
            )
        tokens = server.properties.get("disable_token_authorization") != "true"
        return Backend(
            (server.properties["inference_address"],),
            server.properties["management_address"],
            self.run.resolve() / "key_file.json" if tokens else None,
            limit,
        )

    @property
    def _written(self) -> Path:
        return (self.folder / "nginx.conf").resolve()

    def _nginx(self, *arguments: str, config: Path | None = None) -> None:
        errors = self.folder / "logs" / "error.log"
        command = ["nginx", "-c", str((config or self._written).resolve()), "-p", str(self.folder.resolve()), "-e"]
        environment = {"PATH": f"{os.environ.get('PATH', '')}:/usr/sbin"}
        try:
            done = subprocess.run(
                [*command, str(errors.resolve()), *arguments],
                env=environment,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
            )
        except FileNotFoundError:
            raise ServerError("nginx is not installed; install it: apt-get install nginx") from None
        if done.returncode:
            lines = done.stderr.strip().split("\n")
            reason = next((line for line in lines if "[emerg]" in line), lines[0])
            raise ServerError(f"nginx refuses: {reason.partition('[emerg] ')[2] or reason}")
