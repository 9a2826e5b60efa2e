"""The arithmetic of a worker: what the recipe says or, for ``auto``, what a calibration found or a static rule says.

Likewise its threads: those for the machine that serves, if our commands started the server.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from vqaserve.calibration import Calibration, Machine, calibration_file, says_auto
from vqaserve.settings import HandlerSettings, ModelConfig, run_folder

log = logging.getLogger(__name__)

CONTENT = "MAR-INF/CONTENT.sha256"
"""The file of an archive with the hash of all that it was built from (``vqaops/building/archive_content.py``)."""


@dataclass(frozen=True, slots=True)
class Choice:
    """The arithmetic of a worker, and who chose it.

    Attributes:
        settings: The recipe's settings, with the arithmetic of a calibration in place of ``auto``. The probe is not
            asked again then: the calibration did, on the same machine.
        source: Who chose it.
        reason: Why, for people.
    """

    settings: HandlerSettings
    source: Literal["recipe", "calibration", "static rule"]
    reason: str


def choose(folder: Path, settings: HandlerSettings, run: Path | None = None) -> Choice:
    """Choose the arithmetic of a worker, the same for all workers of a server.

    Args:
        folder: The root of the unpacked archive.
        settings: Its ``handler:`` section, with the device that the worker has.
        run: The server's run folder; by default that of the server to which this process belongs.
    """
    if not says_auto(settings):
        return Choice(settings, "recipe", "the recipe sets it")
    if settings.device.startswith("cuda"):
        return Choice(settings, "static rule", "the model runs on a GPU")
    found = _calibrated(folder, run or run_folder(), settings.threads)
    if isinstance(found, str):
        flags = " ".join(Machine.here().flags) or "no known flags"
        return Choice(settings, "static rule", f"for a processor with {flags}; {found}")
    if found.chosen is None:
        return Choice(settings, "static rule", found.reason)
    return Choice(found.chosen.apply(settings).model_copy(update={"agreement": 0}), "calibration", found.reason)


def fit_threads(folder: Path, config: ModelConfig) -> HandlerSettings:
    """Return the handler's settings with the threads that the start has chosen for this machine.

    Args:
        folder: The root of the unpacked archive.
        config: Its settings, with the numbers of the machine that built it.
    """
    settings = config.handler
    found = _calibrated(folder, run_folder()) if "threads" in config.auto else ""
    threads = settings.threads if isinstance(found, str) else found.conditions.threads
    return settings.model_copy(update={"threads": threads})


def _calibrated(folder: Path, run: Path | None, threads: int | None = None) -> Calibration | str:
    """The calibration of this archive on this machine, for workers of so many threads, or why there is none."""
    content = folder / CONTENT
    if run is None or not content.is_file():
        return "nothing was measured, because the server was started by other means"
    sha256 = content.read_text(encoding="ascii", errors="replace").strip()
    calibration = Calibration.read(calibration_file(run, sha256))
    if calibration is None:
        return "nothing was measured before the start"
    if misfit := calibration.misfit(sha256, Machine.here(), threads or calibration.conditions.threads):
        log.warning("the calibration in %s is ignored: %s", run, misfit)
        return f"what was measured is ignored: {misfit}"
    return calibration
