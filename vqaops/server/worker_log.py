"""The reason for which workers cannot load an archive, found in their log."""

from __future__ import annotations

import re
from pathlib import Path

_TORCHSERVES = re.compile(r"RuntimeError: \d{3} - ")
"""Raised by TorchServe's worker after an error of the handler, whose own line holds the reason."""


def load_failure(log: Path, name: str, version: str, since: int = 0) -> str | None:
    """Why the workers of a version cannot load their archive; None while no worker has given up.

    Args:
        log: The server's ``logs/model.log``.
        name: The model.
        version: Its version.
        since: Byte at which to start reading, past the lines of earlier attempts.
    """
    try:
        with log.open("rb") as file:
            file.seek(since if since <= log.stat().st_size else 0)  # a smaller file was rotated meanwhile
            text = file.read().decode(errors="replace")
    except FileNotFoundError:
        return None
    thread = re.compile(rf"\bW-\d+-{re.escape(name)}_{re.escape(version)}-std")
    mine = [line for line in text.split("\n") if thread.search(line)]
    # A worker that had loaded its archive and died is restarted; that is no failure to load.
    loaded = max((index for index, line in enumerate(mine) if " is loaded on " in line), default=-1)
    lines = [line.partition(" - ")[2] for line in mine[loaded + 1 :]]
    if not any("Backend worker process died" in line for line in lines):
        return None
    if lines[-1].startswith((" ", "Traceback")):  # the end of the traceback, which names the reason, is not written yet
        return None
    errors = [line for line in lines if "Error: " in line and not _TORCHSERVES.search(line)]
    return errors[-1] if errors else lines[-1]
