"""What ``auto`` means for an archive on one machine, as ``vqaops/calibrating`` measured it before the workers started.

The file lies in the server's run folder, where every worker of the archive reads it.
"""

from __future__ import annotations

import logging
import os
from functools import cache
from pathlib import Path
from typing import Annotated, Self

from pydantic import Field, ValidationError

from vqaserve.machine import LIMIT, arithmetic_flags, library_versions, processor_model, read_cpuinfo
from vqaserve.settings import HandlerSettings, Precision
from vqaserve.validation import FrozenModel, describe_faults

log = logging.getLogger(__name__)

Count = Annotated[int, Field(gt=0)]


class Arithmetic(FrozenModel):
    """A way to compute a network.

    Attributes:
        runtime: The library, as in ``options: runtime``.
        precision: As in a recipe, without ``auto``.
    """

    runtime: str = "torch"
    precision: Precision

    def __str__(self) -> str:
        return f"{self.runtime} {self.precision}"

    def apply(self, settings: HandlerSettings) -> HandlerSettings:
        """Return settings that ask for this arithmetic; ``options`` without a runtime stay without it for torch."""
        options = dict(settings.options)
        if "runtime" in options or self.runtime != "torch":
            options["runtime"] = self.runtime
        return settings.model_copy(update={"precision": self.precision, "options": options})


class Machine(FrozenModel):
    """What a measured time depends on, besides the archive.

    Attributes:
        processor: Vendor, family, model and stepping.
        flags: The flags that decide which arithmetic is fast, sorted.
        limit: The instructions to which ``ONEDNN_MAX_CPU_ISA`` limits torch and OpenVINO.
        libraries: Versions by library.
    """

    processor: str
    flags: tuple[str, ...]
    limit: str
    libraries: dict[str, str]

    @classmethod
    @cache
    def here(cls) -> Self:
        """This machine."""
        cpuinfo, limit = read_cpuinfo(), os.environ.get(LIMIT, "")
        flags = tuple(sorted(arithmetic_flags(cpuinfo, limit)))
        return cls(processor=processor_model(cpuinfo), flags=flags, limit=limit, libraries=library_versions())


class Conditions(FrozenModel):
    """The conditions of service under which the candidates were measured.

    Attributes:
        workers: Workers of the archive.
        threads: Threads of each, which a worker takes for ``threads: auto``.
        batch: The recipe's ``batchSize``.
        cores: Cores that the server may use; no more processes than these computed at once.
    """

    workers: Count
    threads: Count
    batch: Count
    cores: Count


class Trial(FrozenModel):
    """A candidate and its measurement.

    Attributes:
        arithmetic: The candidate.
        cpu_ms: CPU milliseconds of an answer: the mean over the batch sizes that were measured.
        failure: Why it cannot be chosen; empty if it can.
    """

    arithmetic: Arithmetic
    cpu_ms: Annotated[float, Field(ge=0)] | None = None
    failure: str = ""

    def __str__(self) -> str:
        cost = "" if self.cpu_ms is None else f" {self.cpu_ms:.1f} ms"
        return f"{self.arithmetic}{cost}" + (f" ({self.failure})" if self.failure else "")


class Calibration(FrozenModel):
    """A calibration of one archive on one machine.

    Attributes:
        content: Hash of all that the archive was built from.
        machine: Where it was measured.
        conditions: How it was measured.
        chosen: The cheapest candidate that keeps the answers, or one that costs nearly the same and comes earlier in
            the static rule; None if none keeps them, or not all were measured in time.
        trials: All candidates, in the order in which they were tried; none if the user wanted no calibration.
    """

    content: str
    machine: Machine
    conditions: Conditions
    chosen: Arithmetic | None = None
    trials: tuple[Trial, ...] = ()

    @property
    def reason(self) -> str:
        """The figures behind the choice, the cheapest first."""
        shown = sorted(self.trials, key=lambda trial: (bool(trial.failure), trial.cpu_ms or 0))
        if self.chosen is None and not shown:
            return "the server was started without a calibration"
        return f"CPU time of an answer on this machine: {', '.join(map(str, shown))}"

    @classmethod
    def read(cls, file: Path) -> Self | None:
        """Read a calibration; None if the file is missing, or cannot be read, which is logged."""
        try:
            return cls.model_validate_json(file.read_bytes())
        except FileNotFoundError:
            return None
        except ValidationError as error:
            log.warning("%s is ignored: it is no calibration (%s)", file, describe_faults(cls, error))
        except OSError as error:
            log.warning("%s is ignored: it cannot be read (%s)", file, error.strerror)
        return None

    def misfit(self, content: str, machine: Machine, threads: int) -> str:
        """Say why the calibration does not hold for workers of so many threads here; empty if it does."""
        if self.content != content:
            return "it is of another archive"
        if (self.machine.processor, self.machine.flags) != (machine.processor, machine.flags):
            return f"it is of another processor ({self.machine.processor or 'unknown'})"
        if self.machine != machine:
            return f"versions of libraries or {LIMIT} have changed"
        if self.conditions.threads != threads:
            return f"it is for workers of {self.conditions.threads} threads, and these have {threads}"
        return ""


def calibration_file(run: Path, content: str) -> Path:
    """The file of an archive's calibration in a run folder."""
    return run / "calibrations" / f"{content}.json"


def says_auto(settings: HandlerSettings) -> bool:
    """Whether the recipe leaves precision or runtime to the machine that serves."""
    return settings.precision == "auto" or settings.options.get("runtime") == "auto"
