"""What workers wrote, read for the one reason that an operator needs."""

from __future__ import annotations

import re
from pathlib import Path

_TORCHSERVES = re.compile(r"RuntimeError: \d{3} - ")
"""What TorchServe's worker raises after a RuntimeError or MemoryError of the handler, which has the reason."""


def load_failure(log: Path, name: str, version: str, since: int = 0) -> str | None:
    """Why a version's workers cannot load their archive; None while none has given up.

    Args:
        log: ``logs/model.log`` of the server.
        name: The model.
        version: Of the model.
        since: Where to begin reading, in bytes: what earlier tries wrote is not this one's.
    """
    try:
        with log.open("rb") as file:
            file.seek(since if since <= log.stat().st_size else 0)  # a smaller file has been rotated meanwhile
            text = file.read().decode(errors="replace")
    except FileNotFoundError:
        return None
    mine = [line for line in text.splitlines() if f"-{name}_{version}-std" in line]
    # A worker that had loaded and died is started again, and that is no failure to load.
    loaded = max((index for index, line in enumerate(mine) if " is loaded on " in line), default=-1)
    lines = [line.partition(" - ")[2] for line in mine[loaded + 1 :]]
    if not any("Backend worker process died" in line for line in lines):
        return None
    errors = [line for line in lines if "Error: " in line and not _TORCHSERVES.search(line)]
    return errors[-1] if errors else lines[-1]
