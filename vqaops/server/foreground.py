"""A server that runs as long as this process does: for systemd and containers."""

from __future__ import annotations

import signal
import threading
from contextlib import ExitStack, suppress
from pathlib import Path

from vqaops.errors import ServerError
from vqaops.gateway.nginx import Gateway
from vqaops.rollout.drain import wait_idle
from vqaops.server.management import Management
from vqaops.server.server import Server
from vqaops.server.start import Display, await_ready, calibrate, resumable_state
from vqaops.server.tokens import renew_due


def run_in_foreground(
    server: Server,
    drain: float,
    display: Display,
    measures: bool = True,
    store: Path | None = None,
    gateway: Gateway | None = None,
) -> None:
    """Serve what was served last until SIGTERM or SIGINT; then answer the accepted requests and stop.

    If it fails or is stopped during the start, it stops TorchServe too: a supervisor that starts it again must not find
    the old one.

    Args:
        server: The server; none may run in its folder.
        drain: Seconds that accepted requests get after the signal.
        display: Where progress is shown.
        measures: Whether archives that say ``auto`` are calibrated first.
        store: A model store, all of whose archives are served if nothing was served before.
        gateway: A gateway of the server's run folder, which runs from when the models are ready until the signal, and
            answers what it has accepted before TorchServe is stopped.

    Raises:
        RecipeError: An archive cannot be read, or is not the one that the store's list names.
        ServerError: There is nothing to serve, or the server or the gateway does not start or ended by itself.
    """
    state = resumable_state(server, store)
    if gateway:
        display.line(f"the gateway will listen at {gateway.url}")  # reads its settings, before a start of a minute
    calibrate(server, state, display, measures)  # a signal ends it at once
    ending = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ending.set())
    display.line("starting TorchServe")
    server.start(state)  # not in the block below: a server that runs in this folder already is not ours to stop
    with ExitStack() as started:
        started.callback(server.stop)
        await_ready(server, state, display, ending.is_set)
        if ending.is_set():
            display.line("stopped before it was ready")
            return
        if gateway:
            gateway.start()
            started.callback(gateway.stop)
        display.line("serving until SIGTERM")
        _watch(server, gateway, ending)
        display.line("stopping: answering the accepted requests")
        if gateway:
            gateway.stop()  # from here on no request arrives
        wait_idle(Management(server.client), drain)


def _watch(server: Server, gateway: Gateway | None, ending: threading.Event) -> None:
    """Renew tokens and rotate the gateway's log until the signal comes; raise if TorchServe or the gateway ends."""
    while not ending.wait(1):
        if server.process() is None:
            raise ServerError(f"TorchServe ended by itself; see {server.folder.logs}. Restart it: serve.py foreground")
        if gateway:
            if gateway.process() is None:
                raise ServerError(f"the gateway ended by itself; see {gateway.folder}/logs/error.log")
            gateway.rotate_log()
        with suppress(ServerError):  # a lost key file is no reason to stop a server that answers
            renew_due(server)
