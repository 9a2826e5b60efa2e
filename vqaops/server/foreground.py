"""A server that runs as long as this process does: for systemd and containers."""

from __future__ import annotations

import signal
import threading
from contextlib import suppress

from vqaops.errors import ServerError
from vqaops.rollout.drain import wait_idle
from vqaops.server.management import Management
from vqaops.server.server import Server
from vqaops.server.start import Display, await_ready, calibrate, resumable_state
from vqaops.server.tokens import renew_due


def run_in_foreground(server: Server, drain: float, display: Display, measures: bool = True) -> None:
    """Serve what was served last until SIGTERM or SIGINT; then answer the accepted requests and stop.

    If it fails or is stopped during the start, it stops TorchServe too: a supervisor that starts it again must not find
    the old one.

    Args:
        server: The server; none may run in its folder.
        drain: Seconds that accepted requests get after the signal.
        display: Where progress is shown.
        measures: Whether archives that say ``auto`` are calibrated first.

    Raises:
        RecipeError: An archive cannot be read.
        ServerError: There is nothing to serve, the server does not start, or TorchServe ended by itself.
    """
    state = resumable_state(server)
    calibrate(server, state, display, measures)  # a signal ends it at once
    ending = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ending.set())
    display.line("starting TorchServe")
    server.start(state)  # not in the block below: a server that runs in this folder already is not ours to stop
    try:
        await_ready(server, state, display, ending.is_set)
        if ending.is_set():
            display.line("stopped before it was ready")
            return
        display.line("serving until SIGTERM")
        _watch(server, ending)
        display.line("stopping: answering the accepted requests")
        wait_idle(Management(server.client), drain)
    finally:
        server.stop()


def _watch(server: Server, ending: threading.Event) -> None:
    """Renew tokens until the signal comes; raise if TorchServe ends."""
    while not ending.wait(1):
        if server.process() is None:
            raise ServerError(f"TorchServe ended by itself; see {server.folder.logs}. Restart it: serve.py foreground")
        with suppress(ServerError):  # a lost key file is no reason to stop a server that answers
            renew_due(server)
