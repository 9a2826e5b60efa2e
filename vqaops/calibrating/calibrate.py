"""Calibrates what a server will serve, and writes each result where the workers find it."""

from __future__ import annotations

import shutil
import time
import zipfile
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

from vqaops.calibrating.measuring import Measuring, Setup
from vqaops.calibrating.processes import LATE, TrialError
from vqaops.files import replace_whole
from vqaops.server.java_command import java_environment
from vqaops.server.run_folder import RunFolder
from vqaops.store.archive import Archive
from vqaserve.calibration import Calibration, Conditions, Machine, Trial, calibration_file, says_auto
from vqaserve.families.rule import ordered
from vqaserve.machine import has_gpu, usable_cores

_CLOSE = 1.15
"""Costs that differ by a smaller factor count as equal: the static rule knows how candidates do in a server.

With AMX, OpenVINO's bf16 takes 0.92 of torch's time for a ViLT in a calibration and 1.47 of it in a worker."""


@dataclass(frozen=True, slots=True)
class Calibrator:
    """Decides what ``auto`` means for archives, before their workers start.

    Attributes:
        folder: The server's run folder.
        line: Prints a line.
        status: Replaces the one line that says what is being waited for.
        measures: Whether candidates are measured; else workers follow the static rule.
    """

    folder: RunFolder
    line: Callable[[str], None]
    status: Callable[[str], None]
    measures: bool = True

    def calibrate(self, archives: Sequence[Archive]) -> None:
        """Calibrate each archive whose recipe says ``auto``, unless a calibration of it holds here.

        A calibration that fails is no reason not to start: the workers follow the static rule then.

        Raises:
            RecipeError: An archive cannot be read.
        """
        for archive in archives:
            config, content = archive.settings, archive.content_sha256
            # On a GPU the arithmetic leaves no choice: its own bf16 or fp16 (``families/precision.py``).
            chosen = says_auto(config.handler) and (config.handler.device == "cpu" or not has_gpu())
            if content and (chosen or config.auto):
                self._calibrate(archive, content, self.measures and chosen)

    def _calibrate(self, archive: Archive, content: str, measures: bool) -> None:
        file, wanted = calibration_file(self.folder.path, content), _conditions(archive)
        blank = Calibration(content=content, machine=Machine.here(), conditions=wanted)
        if measures and self._holds(Calibration.read(file), blank):
            return
        made = self._measured(archive, blank) if measures else blank
        file.parent.mkdir(parents=True, exist_ok=True)
        replace_whole(file, made.model_dump_json(indent=2) + "\n")

    def _holds(self, found: Calibration | None, wanted: Calibration) -> bool:
        if found is None or not found.trials:
            return False
        reason = found.misfit(wanted.content, wanted.machine, wanted.conditions.threads)
        if not reason and found.conditions != wanted.conditions:
            reason = "it is for other numbers of workers, cores or requests in a batch"
        if reason:
            self.line(f"an earlier calibration is ignored: {reason}")
        return not reason

    def _measured(self, archive: Archive, blank: Calibration) -> Calibration:
        began, place = time.monotonic(), self.folder.path / "calibrating"
        name = f"{archive.name} {archive.version}"

        def show(step: str) -> None:
            self.status(f"calibrating {name}: {step}")

        show("unpacking")
        shutil.rmtree(place, ignore_errors=True)
        try:
            with zipfile.ZipFile(archive.path) as packed:
                packed.extractall(place)
            setup = Setup(place, blank.conditions, archive.settings.handler.agreement, java_environment(self.folder))
            trials = Measuring(setup, show).trials()
        except (OSError, TrialError) as error:
            self.line(f"{name} is not calibrated, and follows the static rule: {error}")
            return blank
        finally:
            shutil.rmtree(place, ignore_errors=True)
        chosen = best(trials, blank.machine.flags)
        made = blank.model_copy(update={"chosen": chosen and chosen.arithmetic, "trials": trials})
        if len(trials) > 1:
            way, took = made.chosen or "what suits such processors", time.monotonic() - began
            self.line(f"{name} computes with {way} ({made.reason}; took {took:.0f} s)")
        return made


def _conditions(archive: Archive) -> Conditions:
    config = archive.settings
    return Conditions(
        workers=config.minWorkers, threads=config.handler.threads, batch=config.batchSize, cores=usable_cores()
    )


def best(trials: Sequence[Trial], flags: Collection[str]) -> Trial | None:
    """Of the candidates that cost little more than the cheapest one, the first one of the static rule.

    It is None if the time was over before all were measured, since the best may be among those that were not.

    Args:
        trials: Those of all candidates.
        flags: The processor's flags.
    """
    if any(trial.failure == LATE for trial in trials):
        return None
    fit = [trial for trial in trials if not trial.failure]
    close = _CLOSE * min((trial.cpu_ms or 0 for trial in fit), default=0)
    order = ordered(flags)
    return min(
        (trial for trial in fit if (trial.cpu_ms or 0) <= close),
        key=lambda trial: order.index(trial.arithmetic) if trial.arithmetic in order else len(order),
        default=None,
    )
