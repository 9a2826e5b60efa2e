"""One nginx process before one TorchServe or several gateways: everything of it under one folder, no rights needed."""

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
from vqaops.gateway.rendering import BODY_SECONDS, SOURCES, Backend, render
from vqaops.gateway.routes import Routes
from vqaops.gateway.settings import GatewaySettings
from vqaops.paths import ROOT
from vqaops.server.server import Server

START_SECONDS = 10
QUIT_SECONDS = 15
"""Beyond what the settings give an answer: what nginx has accepted is answered before it ends."""


@dataclass(frozen=True)
class Gateway:
    """A gateway that runs, or could run, beside the server of a run folder.

    Attributes:
        run: The server's folder.
        config: The ``gateway.yaml``.
        own: The gateway's folder, where that is not ``gateway`` in the server's.
    """

    run: Path = ROOT / "run"
    config: Path = SOURCES / "gateway.yaml"
    own: Path | None = None

    @cached_property
    def settings(self) -> GatewaySettings:
        """What the operator chose; the file is read once."""
        return GatewaySettings.read(self.config)

    @property
    def certificate(self) -> Certificate:
        """The operator's, or the place of the one that the gateway signs itself."""
        given = self.settings
        if given.certificate and given.certificate_key:
            return Certificate(given.certificate, given.certificate_key)
        return Certificate(self.folder / "tls" / "certificate.pem", self.folder / "tls" / "key.pem")

    @property
    def folder(self) -> Path:
        """Of nginx: configuration, pid, logs, temporary files, and what is not given elsewhere."""
        return self.own or self.run / "gateway"

    @property
    def keys(self) -> ApiKeys:
        """Who may ask."""
        return ApiKeys(self.settings.keys or self.folder / "keys")

    @property
    def routes(self) -> Routes:
        """Which requests meet another version."""
        return Routes(self.folder / "routes.json")

    @property
    def url(self) -> str:
        """Where it listens first."""
        return f"https://{self.settings.listen[0]}"

    def process(self) -> psutil.Process | None:
        """The master process, or None; a recycled pid is not taken for it."""
        try:
            process = psutil.Process(int((self.folder / "nginx.pid").read_text()))
            ours = any(str(self._written) in word for word in process.cmdline())
        except (FileNotFoundError, ValueError, psutil.NoSuchProcess):
            return None
        return process if ours else None

    def start(self) -> None:
        """Start nginx; it listens when this returns.

        Raises:
            ServerError: It runs already, no TorchServe does, or nginx refuses the configuration or its port.
        """
        if self.process():
            raise ServerError(f"a gateway is already running in {self.folder}; end it: scripts/gateway.py stop")
        self.check().replace(self._written)
        self._nginx()  # returns when the ports are open; the pid is written a moment later
        deadline = time.monotonic() + START_SECONDS
        while self.process() is None:
            if time.monotonic() > deadline:
                raise ServerError(f"nginx has started and ended; see {self.folder}/logs/error.log")
            time.sleep(0.01)

    def check(self) -> Path:
        """Render the configuration, and let nginx itself say whether it takes it.

        Returns:
            The new configuration; the one in use is as it was.

        Raises:
            ServerError: No TorchServe runs, the settings do not validate, or nginx refuses them.
        """
        for name in ("logs", "tmp"):
            (self.folder / name).mkdir(parents=True, exist_ok=True)
        self.folder.chmod(0o700)
        self.keys.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        backend = self._backend()
        if not self.settings.certificate:
            self.certificate.sign_ourselves()
        new = self._written.with_suffix(".new")
        text = render(self.settings, self.certificate, backend, self.folder, self.keys.folder)
        new.write_text(text, encoding="utf-8")
        self._nginx("-t", config=new)
        return new

    def reload(self) -> None:
        """Take a changed ``gateway.yaml`` or certificate; a configuration that nginx refuses changes nothing.

        Raises:
            ServerError: No gateway runs, or nginx refuses.
        """
        process = self.process()
        if not process:
            raise ServerError(f"no gateway runs in {self.folder}; start it: make gateway")
        self.check().replace(self._written)
        process.send_signal(signal.SIGHUP)

    @property
    def ending_seconds(self) -> float:
        """How long the running nginx gives accepted requests, whatever the settings are by now."""
        given = re.search(r"^worker_shutdown_timeout (\d+)s;", self._written.read_text(encoding="utf-8"), re.MULTILINE)
        return float(given[1]) if given else self.settings.answer_seconds + BODY_SECONDS

    def stop(self) -> bool:
        """Answer what was accepted, then end; False when none was running."""
        process = self.process()
        if not process:
            return False
        family = [process, *process.children(recursive=True)]
        process.send_signal(signal.SIGQUIT)
        _, alive = psutil.wait_procs(family, timeout=self.ending_seconds + QUIT_SECONDS)
        for left in alive:
            left.kill()
        return True

    def _backend(self) -> Backend:
        server = Server(self.run)
        limit = int(server.properties["max_request_size"])
        if self.settings.upstreams:
            return Backend(self.settings.upstreams, None, limit)
        if not server.process():
            raise ServerError(
                f"no TorchServe runs in {self.run}; start it (make serve), or list upstreams in {self.config.name}"
            )
        tokens = server.properties.get("disable_token_authorization") != "true"
        return Backend(
            (server.properties["inference_address"],), self.run.resolve() / "key_file.json" if tokens else None, limit
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
            reasons = [line for line in done.stderr.splitlines() if "[emerg]" in line] or done.stderr.splitlines()
            raise ServerError(f"nginx refuses: {reasons[0].partition('[emerg] ')[2] or reasons[0]}")
